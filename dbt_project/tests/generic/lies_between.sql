{#- A known value lies between two bounds, both included. A bound is a number or another column of the row. -#}
{% test lies_between(model, column_name, minimum=none, maximum=none) %}
    select tested.{{ column_name }}
    from {{ model }} as tested
    where
        false
        {%- if minimum is not none %}
        or tested.{{ column_name }} < {{ minimum }}
        {%- endif %}
        {%- if maximum is not none %}
        or tested.{{ column_name }} > {{ maximum }}
        {%- endif %}
{% endtest %}
