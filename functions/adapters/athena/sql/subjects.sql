-- Subjects by usage, the largest first.
{counted}
SELECT
  subject,
  count(*) AS events,
  count(number) AS numbers,
  count(beyond) AS out_of_range,
  sum(number) AS total
FROM counted
GROUP BY subject
ORDER BY sum(number) DESC NULLS LAST, count(*) DESC, subject
LIMIT 1000
