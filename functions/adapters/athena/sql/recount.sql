-- What a meter has to say by each aggregation, counted again from its events.
{counted}
SELECT
  count(*) AS events,
  count(number) AS numbers,
  count(beyond) AS out_of_range,
  sum(number) AS total,
  min(number) AS lowest,
  max(number) AS highest,
  TRY_CAST(sum(number) / count(number) AS decimal(38, 18)) AS average,
  count(DISTINCT text) AS distinct_values,
  max_by(number, ROW(time, micros, number)) FILTER (WHERE number IS NOT NULL) AS latest
FROM counted
