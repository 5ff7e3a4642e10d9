-- Full text by time: a word that is neither common nor rare has thousands of matches in a month, and the newest few are
-- wanted. Each entry of the index says when the tweet is from, in spans of 9.3 hours, so that the index alone tells the
-- matches of a span and only those are fetched.

create function core.search_entry(words text, tweet_id bigint) returns tsvector
    language sql immutable strict parallel safe
    return core.search_vector(words) || array_to_tsvector(array['@' || (tweet_id >> 47)::text]);
comment on function core.search_entry(text, bigint) is
    'What the index of words holds of a tweet: core.search_vector, and "@" with the span of 2^25 ms of its id';

drop index core.idx_twitter_tweets_text_search;
create index idx_twitter_tweets_text_search on core.twitter_tweets using gin (core.search_entry(text, tweet_id));
comment on index core.idx_twitter_tweets_text_search is 'Full-text search in every language, newest span of time first';
