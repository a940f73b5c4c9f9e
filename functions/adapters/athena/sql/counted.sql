WITH events AS (
{columns}
),
asked AS (
  SELECT * FROM events
  WHERE tenant = :tenant
    AND day BETWEEN :first_day AND :last_day
    AND time >= :from AND time < :to
    AND (:any_subject = 'yes' OR subject IN (:subjects))
),
kept AS (
  SELECT * FROM asked AS e
  WHERE type = :type AND (meter_version >= :since OR time >= :history_from) AND voids IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM asked AS v
      WHERE v.voids IS NOT NULL AND v.source = e.source AND v.id = e.id AND v.subject = e.subject AND v.time = e.time
    )
),
taken AS (
  SELECT *,
    json_extract_scalar(line, {value}) AS text,
    TRY_CAST(trim(json_extract_scalar(line, {value})) AS decimal(38, 18)) AS parsed,
    CASE WHEN json_format(json_extract(line, {path_1})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_1}), '') END AS group_1,
    CASE WHEN json_format(json_extract(line, {path_2})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_2}), '') END AS group_2,
    CASE WHEN json_format(json_extract(line, {path_3})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_3}), '') END AS group_3
  FROM kept
),
counted AS (
  SELECT *, CASE WHEN abs(parsed) < 10000000000000 THEN parsed END AS number
  FROM taken
  WHERE (:any_1 = 'yes' OR group_1 IN (:values_1))
    AND (:any_2 = 'yes' OR group_2 IN (:values_2))
    AND (:any_3 = 'yes' OR group_3 IN (:values_3))
)
