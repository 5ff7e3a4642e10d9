"""The languages of the world: vocabularies made by rule from letters, with a few everyday glue words.

*Belongs here*: alphabets, glue words, the making of words.
*Does not belong here*: tags, topics, authors and tweets.
"""

from functools import cache
from random import Random

import msgspec

from ingest.standin.chance import dice

VOCABULARY_SIZE = 900


class Language(msgspec.Struct, frozen=True):
    """One language: its code as tweets carry it, its weight among authors, and what its words are made of."""

    code: str
    weight: int
    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    codas: tuple[str, ...]
    glue: tuple[str, ...]
    has_spaces: bool = True


def _letters(text: str) -> tuple[str, ...]:
    return tuple("" if part == "-" else part for part in text.split())


LANGUAGES: tuple[Language, ...] = (
    Language(
        "en",
        46,
        _letters("b br c cl d f fl g gr h l m n p pr r s sh st t tr v w"),
        _letters("a e i o u ea oo ai"),
        _letters("- - n r s t l nd ck m st"),
        _letters("the a of and to in is it for on with that this we you not from at by more today still after before"),
    ),
    Language(
        "es",
        12,
        _letters("b c ch d f g j l ll m n ñ p r s t v z"),
        _letters("a e i o u á é í ó ú ue ie"),
        _letters("- - - n r s l"),
        _letters("el la de que y en los se por con para una su al lo más pero hoy ya está muy"),
    ),
    Language(
        "pt",
        9,
        _letters("b c d f g j l lh m n nh p r s t v"),
        _letters("a e i o u ã é ô ão ei ou"),
        _letters("- - - r s m l"),
        _letters("o a de que e do da em um para com não uma os no se na por mais hoje já está"),
    ),
    Language(
        "fr",
        8,
        _letters("b ch d f g j l m n p r s t v tr pl"),
        _letters("a e é i o u ou eau oi è"),
        _letters("- - - r s t l n"),
        _letters("le la de et les des en un une du que pour pas sur au plus avec il ce est ça très"),
    ),
    Language(
        "de",
        5,
        _letters("b d f g h k l m n p r s sch st t w z"),
        _letters("a e i o u ä ö ü ei au"),
        _letters("- n r s t l ng ß cht"),
        _letters("der die und in den von zu das mit sich auf für ist im nicht ein heute noch auch"),
    ),
    Language(
        "tr",
        4,
        _letters("b c ç d g h k l m n s ş t y z"),
        _letters("a e ı i o ö u ü"),
        _letters("- - n r k l m ş"),
        _letters("ve bir bu da için çok ile daha gibi kadar sonra bugün ama her en ne"),
    ),
    Language(
        "ja",
        8,
        _letters("か き く さ し た と な の は ま や ら 風 町 朝 電 車 今 日 花 音"),
        _letters("- い う ん ょ る"),
        _letters("- - っ ー"),
        _letters("の に は を が で と も です ます から"),
        has_spaces=False,
    ),
    Language(
        "ar",
        4,
        _letters("ب ت ج ح د ر س ش ص ط ع ف ق ك ل م ن ه"),
        _letters("ا و ي -"),
        _letters("- ن ر ل م ة"),
        _letters("في من على إلى أن هذا مع عن ما كان اليوم بعد"),
    ),
    Language(
        "ru",
        3,
        _letters("б в г д ж з к л м н п р с т х ч ш"),
        _letters("а е и о у ы я"),
        _letters("- - н р с т л й"),
        _letters("и в не на я что он с как это по но из у за от так сегодня"),
    ),
    Language(
        "ko",
        3,
        _letters("가 나 다 라 마 바 사 아 자 하 고 노 도 로 모 보 소"),
        _letters("- 리 기 지 시"),
        _letters("- - 는 을 에"),
        _letters("이 그 저 것 수 등 및 더 오늘 아주 다시"),
    ),
    Language(
        "hi",
        2,
        _letters("क ख ग च ज ट ड त द न प ब म र ल स ह"),
        _letters("ा ि ी ु े ो"),
        _letters("- न र ल"),
        _letters("के में की है और से का को पर यह आज भी"),
    ),
)
LANGUAGE_BY_CODE = {language.code: language for language in LANGUAGES}


@cache
def vocabulary(code: str) -> tuple[str, ...]:
    """Return the words of a language, the most frequent first: its glue words, then words made by rule."""
    language = LANGUAGE_BY_CODE[code]
    rng = dice(f"vocabulary of {code}")
    words = dict.fromkeys(language.glue)
    while len(words) < VOCABULARY_SIZE:
        words[_made_word(rng, language)] = None
    return tuple(words)


def _made_word(rng: Random, language: Language) -> str:
    syllables = 2 if rng.random() < 0.6 else 3
    pick = rng.choice
    return "".join(pick(language.onsets) + pick(language.vowels) for _ in range(syllables)) + pick(language.codas)


@cache
def plain_words() -> tuple[str, ...]:
    """Return made words of four to eight ASCII letters, for handles and addresses."""
    made = (word for word in vocabulary("en") if word not in LANGUAGE_BY_CODE["en"].glue)
    return tuple(word for word in made if 4 <= len(word) <= 8)
