"""What is asked of the canonical tables about purchases: DuckDB queries with named parameters, one a question.

A purchase is a row of kind purchase, booking or renewal with a customer, a day and no negative amount; several of a day
are one. No query reads a day later than the one it is given.
"""

from __future__ import annotations

from typing import Final

CUSTOMERS: Final = """
    WITH bought AS (SELECT customer, date, sum(amount) AS amount, sum(margin) AS margin FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)
        GROUP BY customer, date),
    since AS (SELECT *, min(date) OVER (PARTITION BY customer) AS first FROM bought)
    SELECT customer, first, count(*) - 1 AS x,
        date_diff('day', first, max(date)) / 7 AS recency,
        date_diff('day', first, $until) / 7 AS age,
        avg(amount) FILTER (WHERE date > first) AS spend,
        avg(margin) FILTER (WHERE date > first) AS margin,
        (customer IN (SELECT customer FROM customers WHERE since < $begin))::INTEGER AS before
    FROM since WHERE first <= $known AND hash(customer) % $of = 0
    GROUP BY customer, first ORDER BY customer"""
PASTS: Final = """
    WITH bought AS (SELECT DISTINCT customer, date FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)),
    since AS (SELECT *, min(date) OVER (PARTITION BY customer) AS first FROM bought
        WHERE hash(customer) % $of = 0),
    stands AS (SELECT unnest($origins::DATE[]) AS origin)
    SELECT origin, customer, first,
        count(*) FILTER (WHERE date <= origin) - 1 AS x,
        date_diff('day', first, max(date) FILTER (WHERE date <= origin)) / 7 AS recency,
        date_diff('day', first, origin) / 7 AS age,
        count(*) - 1 AS x_then,
        date_diff('day', first, max(date)) / 7 AS recency_then,
        date_diff('day', first, $until) / 7 AS age_then,
        (customer IN (SELECT customer FROM customers WHERE since < $begin))::INTEGER AS before
    FROM since JOIN stands ON first <= origin GROUP BY origin, customer, first ORDER BY origin, customer"""
NEW: Final = """
    WITH bought AS (SELECT customer, date, sum(amount) AS amount FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)
        GROUP BY customer, date),
    since AS (SELECT *, min(date) OVER (PARTITION BY customer) AS first FROM bought)
    SELECT count(*) AS customers, avg(amount) AS amount FROM since
    WHERE date = first AND first > $after
        AND customer NOT IN (SELECT customer FROM customers WHERE since < $begin AND customer IS NOT NULL)"""
WEEKS: Final = """
    WITH bought AS (SELECT customer, date, sum(amount) AS amount, sum(margin) AS margin FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)
        GROUP BY customer, date),
    since AS (SELECT *, min(date) OVER (PARTITION BY customer) AS first FROM bought)
    SELECT (date_diff('day', $after, date) - 1) // 7 AS week, count(*) AS purchases
    FROM since WHERE first <= $after AND date > $after GROUP BY week ORDER BY week"""
READ: Final = """
    WITH bought AS (SELECT * FROM transactions WHERE kind IN ('purchase', 'booking', 'renewal')),
    kept AS (SELECT * FROM bought
        WHERE customer IS NOT NULL AND date <= $until AND (amount IS NULL OR amount >= 0)),
    each AS (SELECT customer, count(DISTINCT date) AS days, min(date) AS first FROM kept GROUP BY customer)
    SELECT (SELECT count(*) FROM bought) AS rows,
        (SELECT count(*) FROM kept) AS used,
        (SELECT min(date) FROM kept) AS first,
        (SELECT count(*) FROM each) AS customers,
        (SELECT count(*) FROM each WHERE days > 1) AS again,
        (SELECT count(*) FROM each WHERE first < $until) AS seen,
        (SELECT count(*) FROM bought WHERE customer IS NULL) AS anonymous,
        (SELECT count(*) FROM bought WHERE date IS NULL) AS undated,
        (SELECT count(*) FROM transactions WHERE date > $until) AS later,
        (SELECT count(*) FROM bought WHERE amount < 0) AS negative,
        (SELECT count(*) FROM transactions WHERE kind = 'return') AS returns,
        (SELECT sum(abs(amount)) FROM transactions
            WHERE date <= $until AND (kind = 'return' OR (kind <> 'churn' AND amount < 0))) AS returned,
        (SELECT sum(amount) FROM kept) AS spent,
        (SELECT count(*) FROM kept WHERE amount IS NULL) AS unpriced,
        (SELECT count(*) FROM kept WHERE amount = 0) AS free,
        (SELECT sum(margin) / nullif(sum(amount), 0) FROM kept WHERE margin IS NOT NULL AND amount > 0) AS margin,
        (SELECT count(*) FROM kept) - (SELECT count(*) FROM (SELECT DISTINCT customer, date FROM kept)) AS same_day,
        (SELECT count(*) FROM kept) - (SELECT count(*) FROM (SELECT DISTINCT customer, date, kind, amount, margin,
            product, channel, seller, basket, link FROM kept)) AS twice,
        (SELECT count(*) FROM kept WHERE kind = 'renewal') AS renewals,
        (SELECT count(DISTINCT customer) FROM transactions WHERE kind = 'churn' AND date <= $until) AS ended"""
INTERVALS: Final = """
    WITH days AS (SELECT DISTINCT customer, date FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)),
    gaps AS (SELECT customer, date_diff('day', lag(date) OVER (PARTITION BY customer ORDER BY date), date) AS gap
        FROM days),
    each AS (SELECT customer, count(gap) AS n, stddev_pop(gap) / avg(gap) AS spread, median(gap) AS every
        FROM gaps WHERE gap IS NOT NULL GROUP BY customer)
    SELECT count(*) FILTER (WHERE n >= 3) AS n, median(spread) FILTER (WHERE n >= 3) AS spread, median(every) AS every,
        quantile_cont(every, 0.1) FILTER (WHERE n >= 2) AS short,
        quantile_cont(every, 0.9) FILTER (WHERE n >= 2) AS long
    FROM each"""
ENDS: Final = """
    WITH days AS (SELECT DISTINCT customer, date FROM transactions
        WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
            AND (amount IS NULL OR amount >= 0)),
    gaps AS (SELECT customer, date, date_diff('day', lag(date) OVER (PARTITION BY customer ORDER BY date), date) AS gap
        FROM days),
    each AS (SELECT customer, min(date) AS first, max(date) AS last,
        median(gap) AS every FROM gaps GROUP BY customer),
    ends AS (SELECT customer, max(date) AS gone FROM transactions WHERE kind = 'churn' AND date <= $until
        GROUP BY customer)
    SELECT customer, first, last, every, gone FROM each LEFT JOIN ends USING (customer) ORDER BY customer"""
SPAN: Final = """
    SELECT min(date) AS first, max(date) AS last FROM transactions
    WHERE date IS NOT NULL AND kind IN ('purchase', 'booking', 'renewal', 'return')"""
BEFORE: Final = """
    SELECT count(DISTINCT t.customer) AS n FROM transactions t JOIN customers c ON t.customer = c.customer
    WHERE c.since < $first"""
