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
    CASE WHEN json_format(json_extract(line, {path_1})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_1}), '') END AS group_1,
    CASE WHEN json_format(json_extract(line, {path_2})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_2}), '') END AS group_2,
    CASE WHEN json_format(json_extract(line, {path_3})) = 'null' THEN 'null'
      ELSE coalesce(json_extract_scalar(line, {path_3}), '') END AS group_3
  FROM kept
),
spelled AS (
  SELECT *,
    CASE WHEN length(trim(text)) <= 400 AND regexp_like(
      trim(text),
      '^(|[+-])([0-9]+(|\.[0-9]*)|\.[0-9]+)(|[eE](|[+-])([0-9]|[0-9][0-9]|[0-9][0-9][0-9]))$'
    ) THEN trim(text) END AS numeral
  FROM taken
  WHERE (:any_1 = 'yes' OR group_1 IN (:values_1))
    AND (:any_2 = 'yes' OR group_2 IN (:values_2))
    AND (:any_3 = 'yes' OR group_3 IN (:values_3))
),
parts AS (
  SELECT *,
    TRY_CAST(numeral AS decimal(38, 18)) AS half_up,
    TRY_CAST(numeral AS decimal(38, 0)) AS whole,
    replace(replace(replace(regexp_extract(numeral, '^[^eE]*'), '.', ''), '-', ''), '+', '') AS digits,
    length(coalesce(regexp_extract(numeral, '\.([0-9]*)', 1), ''))
      - coalesce(TRY_CAST(replace(regexp_extract(numeral, '[eE](.*)$', 1), '+', '') AS integer), 0) AS places
  FROM spelled
),
-- The digits without zeros at their end, and how far behind the point the last of them is.
ended AS (
  SELECT *,
    regexp_replace(digits, '0+$', '') AS significant,
    places - length(digits) + length(regexp_replace(digits, '0+$', '')) AS last_place
  FROM parts
),
-- As meters count: 18 places, half to even (casts round half up), and at most 31 digits.
rounded AS (
  SELECT *,
    CASE
      WHEN abs(half_up) > 10000000000000 AND length(CAST(floor(abs(half_up)) AS varchar)) + last_place > 31 THEN NULL
      WHEN last_place = 19 AND regexp_like(significant, '(^|[02468])5$')
        THEN half_up + CAST(
          CASE WHEN half_up < 0 THEN '0.000000000000000001' ELSE '-0.000000000000000001' END AS decimal(38, 18)
        )
      ELSE half_up
    END AS number
  FROM ended
),
-- `beyond` is 1 for numbers that meters count and a decimal of 38 digits has no room for.
counted AS (
  SELECT *,
    CASE WHEN number IS NULL AND abs(whole) < CAST('10000000000000000000000000000000' AS decimal(38, 0)) THEN 1 END
      AS beyond
  FROM rounded
)
