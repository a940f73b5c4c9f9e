-- The events behind one invoice line: a meter, the subjects of a customer, a period.
{counted}
SELECT
  id,
  source,
  subject,
  time,
  received_at,
  text AS value,
  line
FROM counted
WHERE :takes = 'events' OR (:takes = 'numbers' AND (number IS NOT NULL OR beyond = 1)) OR (:takes = 'texts' AND text IS NOT NULL)
ORDER BY time, subject, id
