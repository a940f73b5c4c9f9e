-- Exact percentiles by nearest rank, where the counters keep a sketch.
{counted},
ranked AS (
  SELECT number, row_number() OVER (ORDER BY number) AS place, count(*) OVER () AS numbers
  FROM counted
  WHERE number IS NOT NULL
)
SELECT
  max(numbers) AS numbers,
  (SELECT count(beyond) FROM counted) AS out_of_range,
  min(CASE WHEN place * 100 >= numbers * 50 THEN number END) AS p50,
  min(CASE WHEN place * 100 >= numbers * 90 THEN number END) AS p90,
  min(CASE WHEN place * 100 >= numbers * 95 THEN number END) AS p95,
  min(CASE WHEN place * 100 >= numbers * 99 THEN number END) AS p99
FROM ranked
