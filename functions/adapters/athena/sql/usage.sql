-- Usage by any dimension: every archived event of a type, also those older than the meter.
{counted}
SELECT
  {window} AS window_start,
  {subject} AS subject,
  {shown_1} AS dimension_1,
  {shown_2} AS dimension_2,
  {shown_3} AS dimension_3,
  count(*) AS events,
  count(number) AS numbers,
  count(beyond) AS out_of_range,
  sum(number) AS total,
  min(number) AS lowest,
  max(number) AS highest,
  TRY_CAST(sum(number) / count(number) AS decimal(38, 18)) AS average,
  count(DISTINCT text) AS distinct_values
FROM counted
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
