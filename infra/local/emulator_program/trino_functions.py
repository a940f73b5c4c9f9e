"""Functions of Trino that DuckDB has under other names, or with other paths."""

# Trino quotes a name in brackets, DuckDB behind a dot.
PATH = """regexp_replace(path, '\\["([^"]*)"\\]', '."\\1"', 'g')"""
FUNCTIONS = f"""
CREATE MACRO json_extract_scalar(text, path) AS
  CASE WHEN json_type(text, {PATH}) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL
  ELSE json_extract_string(text, {PATH}) END;
CREATE MACRO json_extract(text, path) AS system.main.json_extract(text, {PATH});
CREATE MACRO json_format(value) AS CAST(value AS VARCHAR);
CREATE MACRO regexp_like(text, pattern) AS regexp_matches(text, pattern);
"""
