CREATE OR REPLACE FUNCTION {schema}.{function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp{settings} AS $changed$
-- A declared column may be called as a variable is.
#variable_conflict use_column
DECLARE
    written bigint := 0;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO {schema}.outbox (source) VALUES ({source});
        written := 1;
    ELSIF TG_LEVEL = 'ROW' THEN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO {schema}.outbox (source, key) VALUES ({source}, {old_row});
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO {schema}.outbox (source, key) VALUES ({source}, {new_row});
        END IF;
        written := 1;
    ELSIF TG_OP = 'INSERT' THEN
{inserted}
    ELSIF TG_OP = 'UPDATE' THEN
{updated}
    ELSE
{deleted}
    END IF;
    IF written > 0 THEN
        {notify}
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- Whatever is wrong here is no reason for a statement of the application to fail.
    RAISE WARNING 'a change of % is not written down for the cache: %', TG_RELID::regclass, SQLERRM;
    PERFORM pg_notify({literal}, 'lost');
    RETURN NULL;
END
$changed$;
