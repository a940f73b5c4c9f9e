SELECT
  json_extract_scalar(line, '$.tenant') AS tenant,
  json_extract_scalar(line, '$.id') AS id,
  json_extract_scalar(line, '$.source') AS source,
  json_extract_scalar(line, '$.type') AS type,
  json_extract_scalar(line, '$.subject') AS subject,
  json_extract_scalar(line, '$.time') AS time,
  coalesce(CAST(json_extract_scalar(line, '$.micros') AS bigint), 0) AS micros,
  json_extract_scalar(line, '$.received_at') AS received_at,
  CAST(json_extract_scalar(line, '$.meter_version') AS bigint) AS meter_version,
  json_format(json_extract(line, '$.data')) AS data,
  json_format(json_extract(line, '$.extensions')) AS extensions,
  json_extract_scalar(line, '$.voids') AS voids,
  json_extract_scalar(line, '$.data_base64') AS data_base64,
  line,
  day,
  hour
FROM lines
