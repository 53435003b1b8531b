CREATE SCHEMA IF NOT EXISTS {schema};

-- What has changed and is not relayed yet. A key has the values of the columns that the source names; without a key any row may
-- have changed. Rows come and go: it is vacuumed often.
CREATE TABLE IF NOT EXISTS {schema}.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    key text[],
    at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What changes of a table invalidate. One without a relation is of an earlier declaration: rows may still name it.
CREATE TABLE IF NOT EXISTS {schema}.sources (
    id text PRIMARY KEY,
    declaration jsonb NOT NULL,
    relation text,
    function text
);

-- The tables that have triggers: a relation itself, its partitions, and what inherits from it.
CREATE TABLE IF NOT EXISTS {schema}.members (
    relation text NOT NULL,
    member oid NOT NULL,
    function text NOT NULL,
    PRIMARY KEY (relation, member)
);

-- The tables that should have triggers, and whether a partition of one of them is given its row triggers by that one.
CREATE OR REPLACE FUNCTION {schema}.tree() RETURNS TABLE (relation text, function text, member oid, is_within boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $tree$
    WITH RECURSIVE tree AS (
        SELECT s.relation, s.function, to_regclass(s.relation)::oid AS member
        FROM {schema}.sources s
        WHERE to_regclass(s.relation) IS NOT NULL
        UNION
        SELECT t.relation, t.function, i.inhrelid
        FROM tree t JOIN pg_inherits i ON i.inhparent = t.member
    )
    SELECT t.relation, t.function, t.member, c.relispartition AND t.member <> to_regclass(t.relation)
    FROM tree t JOIN pg_class c ON c.oid = t.member
    WHERE c.relkind IN ('r', 'p')
$tree$;

-- The triggers that a table should have. A statement's own are for whoever writes, also as a replica. Where the changes of a
-- subscription are applied none of these fires: the last one is for that, and for nobody else.
CREATE OR REPLACE FUNCTION {schema}.wanted() RETURNS TABLE (event text, definition text, state "char")
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $wanted$
    VALUES
        ('insert', 'INSERT ON %s REFERENCING NEW TABLE AS cache_new FOR EACH STATEMENT', 'A'::"char"),
        ('update', 'UPDATE ON %s REFERENCING OLD TABLE AS cache_old NEW TABLE AS cache_new FOR EACH STATEMENT', 'A'),
        ('delete', 'DELETE ON %s REFERENCING OLD TABLE AS cache_old FOR EACH STATEMENT', 'A'),
        ('truncate', 'TRUNCATE ON %s FOR EACH STATEMENT', 'A'),
        ('replica', 'INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'R')
$wanted$;

-- Brings the triggers up to date: new partitions get them, and what is no partition any more loses them. Returns how many tables
-- that concerned. What came or went with rows in it has changed.
CREATE OR REPLACE FUNCTION {schema}.keep_up() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $keep_up$
DECLARE
    member record;
    trigger record;
    is_new boolean;
    has_rows boolean;
    concerned bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended({literal} || ' keep_up', 0));
    FOR member IN
        SELECT m.*, c.oid::regclass AS name
        FROM {schema}.members m LEFT JOIN pg_class c ON c.oid = m.member
        WHERE NOT EXISTS (
            SELECT FROM {schema}.tree() t WHERE t.relation = m.relation AND t.member = m.member
        )
    LOOP
        FOR trigger IN
            SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
            WHERE t.tgrelid = member.member AND NOT t.tgisinternal AND t.tgparentid = 0
                AND p.pronamespace = {literal}::regnamespace AND p.proname = member.function
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', trigger.tgname, member.name);
        END LOOP;
        DELETE FROM {schema}.members m WHERE m.relation = member.relation AND m.member = member.member;
        INSERT INTO {schema}.outbox (source) SELECT id FROM {schema}.sources s WHERE s.relation = member.relation;
        concerned := concerned + 1;
    END LOOP;
    FOR member IN SELECT t.*, t.member::regclass AS name FROM {schema}.tree() t ORDER BY t.is_within LOOP
        is_new := false;
        FOR trigger IN
            SELECT w.*, {literal} || '_' || w.event || '_' || right(member.function, 8) AS name, t.tgenabled AS found
            FROM {schema}.wanted() w
            LEFT JOIN pg_trigger t ON t.tgrelid = member.member
                AND t.tgname = {literal} || '_' || w.event || '_' || right(member.function, 8)
            WHERE t.tgenabled IS DISTINCT FROM w.state
        LOOP
            CONTINUE WHEN trigger.found IS NULL AND trigger.event = 'replica' AND member.is_within;
            is_new := true;
            IF trigger.found IS NULL THEN
                EXECUTE format(
                    'CREATE TRIGGER %I AFTER ' || trigger.definition || ' EXECUTE FUNCTION {schema}.%I()',
                    trigger.name, member.name, member.function
                );
            END IF;
            EXECUTE format(
                'ALTER TABLE %s ENABLE %s TRIGGER %I',
                member.name, CASE trigger.state WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, trigger.name
            );
        END LOOP;
        INSERT INTO {schema}.members VALUES (member.relation, member.member, member.function) ON CONFLICT DO NOTHING;
        IF FOUND OR is_new THEN
            concerned := concerned + 1;
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', member.name) INTO has_rows;
            IF has_rows THEN
                INSERT INTO {schema}.outbox (source) SELECT id FROM {schema}.sources s WHERE s.relation = member.relation;
            END IF;
        END IF;
    END LOOP;
    IF concerned > 0 THEN
        PERFORM pg_notify({literal}, '');
    END IF;
    RETURN concerned;
END
$keep_up$;
REVOKE ALL ON FUNCTION {schema}.keep_up() FROM PUBLIC;

-- For what no trigger sees: says that any row of a table, named as it is declared, may have changed.
CREATE OR REPLACE FUNCTION {schema}.touch(table_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $touch$
BEGIN
    INSERT INTO {schema}.outbox (source)
    SELECT id FROM {schema}.sources s WHERE s.declaration ->> 'table' = table_name AND s.relation IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no table is declared as %', quote_literal(table_name);
    END IF;
    PERFORM pg_notify({literal}, '');
END
$touch$;
REVOKE ALL ON FUNCTION {schema}.touch(text) FROM PUBLIC;
