CREATE OR REPLACE FUNCTION {schema}.{function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER{settings} AS $changed$
-- It runs for every statement, and to set a path would take a tenth of its time. So each name has its schema, operators and types
-- included, and whose path is searched makes no difference.
-- A declared column may be called as a variable is.
#variable_conflict use_column
DECLARE
    written bigint := 0;
    nothing pg_catalog.text;
BEGIN
    -- Most statements are updates.
    IF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN
        IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
            INSERT INTO {schema}.outbox (source, key) VALUES ({source}, {old_row});
        END IF;
        IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN
            INSERT INTO {schema}.outbox (source, key) VALUES ({source}, {new_row});
        END IF;
        written := 1;
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
{updated}
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
{inserted}
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
{deleted}
    ELSE
        INSERT INTO {schema}.outbox (source) VALUES ({source});
        written := 1;
    END IF;
    IF written OPERATOR(pg_catalog.>) 0 THEN
        {notify}
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- Whatever is wrong here is no reason for a statement of the application to fail.
    RAISE WARNING 'a change of % is not written down for the cache: %', TG_RELID::pg_catalog.regclass, SQLERRM;
    PERFORM pg_catalog.pg_notify({literal}, 'lost');
    RETURN NULL;
END
$changed$;
