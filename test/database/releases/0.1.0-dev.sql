SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA ostler;
ALTER SCHEMA ostler OWNER TO ostler_hkd;
CREATE FUNCTION ostler.count_start() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
      PERFORM nextval('ostler.start_count');
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.count_start() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.keep_log() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF current_setting('ostler.purging', true) = 'on' AND OLD.at < now() - interval '1 day' THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION 'the log of desktops only grows' USING ERRCODE = 'insufficient_privilege';
    END $$;
ALTER FUNCTION ostler.keep_log() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.keep_pooled() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    BEGIN
      IF NEW.user_id <> OLD.user_id AND OLD.epoch > 0 THEN
        RAISE EXCEPTION 'desktop % has run for one user and cannot become another one''s', OLD.id
          USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.pool_id IS NULL AND NEW.pool_id IS NULL THEN RETURN NEW; END IF;
      IF NEW.pool_id IS DISTINCT FROM OLD.pool_id AND (OLD.epoch > 0 OR OLD.dirty_user_id IS NOT NULL) THEN
        RAISE EXCEPTION 'desktop % has run and changes no pool', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.assigned_user_id IS NOT NULL AND NEW.assigned_user_id <> OLD.assigned_user_id THEN
        RAISE EXCEPTION 'desktop % is another user''s', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF OLD.assigned_user_id IS NOT NULL AND NEW.assigned_user_id IS NULL
          AND NEW.state NOT IN ('stopped', 'failed') THEN
        RAISE EXCEPTION 'desktop % runs for its user', OLD.id USING ERRCODE = 'check_violation';
      END IF;
      IF NEW.dirty_user_id IS DISTINCT FROM OLD.dirty_user_id AND OLD.dirty_user_id IS NOT NULL THEN
        IF NEW.dirty_user_id IS NOT NULL OR NEW.assigned_user_id IS NOT NULL
            OR OLD.state NOT IN ('stopped', 'failed') OR NEW.state NOT IN ('stopped', 'failed')
            OR NEW.generation <> OLD.generation + 1
            OR EXISTS (SELECT FROM ostler.vm_remains WHERE vm_id = OLD.id)
            OR NOT EXISTS (SELECT FROM ostler.vm_reset
              WHERE vm_id = OLD.id AND generation = NEW.generation AND of_user_id = OLD.dirty_user_id) THEN
          RAISE EXCEPTION 'desktop % holds data of user % and was not reset', OLD.id, OLD.dirty_user_id
            USING ERRCODE = 'check_violation';
        END IF;
      END IF;
      IF NEW.host_id IS NOT NULL AND NEW.state = 'preparing' AND OLD.state <> 'preparing' THEN
        IF NEW.dirty_user_id IS NOT NULL AND NEW.assigned_user_id IS NULL THEN
          RAISE EXCEPTION 'desktop % starts for nobody before it was reset', OLD.id
            USING ERRCODE = 'check_violation';
        END IF;
        INSERT INTO ostler.vm_remains (vm_id, host_id) VALUES (OLD.id, NEW.host_id) ON CONFLICT DO NOTHING;
      END IF;
      RETURN NEW;
    END $$;
ALTER FUNCTION ostler.keep_pooled() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.keep_seat() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    DECLARE
      pooled boolean;
      theirs int;
    BEGIN
      IF NEW.door IS NULL OR TG_OP = 'UPDATE' AND NEW.epoch = OLD.epoch AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id THEN
        RETURN NEW;
      END IF;
      SELECT pool_id IS NOT NULL INTO pooled FROM ostler.vm WHERE id = NEW.vm_id;
      IF pooled THEN
        SELECT assigned_user_id INTO theirs FROM ostler.vm WHERE id = NEW.vm_id FOR SHARE;
        IF theirs IS NULL OR NEW.user_id IS DISTINCT FROM theirs THEN
          RAISE EXCEPTION 'desktop % is not the one of user %', NEW.vm_id, NEW.user_id USING ERRCODE = 'OSP01';
        END IF;
      END IF;
      RETURN NEW;
    END $$;
ALTER FUNCTION ostler.keep_seat() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.purge_log(days integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
    DECLARE
      gone int;
    BEGIN
      IF days < 1 THEN RAISE EXCEPTION 'a log is kept for a day at least'; END IF;
      PERFORM set_config('ostler.purging', 'on', true);
      DELETE FROM ostler.vm_log WHERE at < now() - make_interval(days => days);
      GET DIAGNOSTICS gone = ROW_COUNT;
      PERFORM set_config('ostler.purging', 'off', true);
      RETURN gone;
    END $$;
ALTER FUNCTION ostler.purge_log(days integer) OWNER TO ostler_hkd;
CREATE FUNCTION ostler.take_invitation(asked bytea) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
      DELETE FROM ostler.host_invitation WHERE digest = asked AND expires_at > now() RETURNING sealed $$;
ALTER FUNCTION ostler.take_invitation(asked bytea) OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell(text, integer, text, text, text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
      INSERT INTO ostler.notice (kind, vm_id, vm, login, said, code, cure)
      SELECT $1, vm.id, vm.name, coalesce(users.login, ''), $3, $4, $5
      FROM ostler.vm LEFT JOIN ostler.users ON users.id = coalesce(vm.assigned_user_id, vm.user_id) WHERE vm.id = $2;
      SELECT pg_notify('ostler_notice', '')
    $_$;
ALTER FUNCTION ostler.tell(text, integer, text, text, text) OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell_administrators() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
      PERFORM pg_notify('ostler_admin', TG_TABLE_NAME);
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.tell_administrators() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell_expiry() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    BEGIN
      PERFORM ostler.tell('expiry', NEW.vm_id, NEW.reason, NULL, NULL);
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.tell_expiry() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell_failure() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    DECLARE
      often int;
    BEGIN
      SELECT failures INTO often FROM ostler.vm WHERE id = NEW.vm_id;
      PERFORM ostler.tell('failure', NEW.vm_id, coalesce(NEW.fault, 'nobody can tell whether it still runs')
        || CASE WHEN often > 1 THEN format(' (%s times in a row)', often) ELSE '' END, NEW.fault_code, NEW.fault_cure);
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.tell_failure() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell_of_notice() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    BEGIN
      PERFORM ostler.tell('expiry', NEW.id, 'its user was told that it expires', NULL, NULL);
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.tell_of_notice() OWNER TO ostler_hkd;
CREATE FUNCTION ostler.tell_provision() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    BEGIN
      PERFORM ostler.tell('provision', NEW.id, 'the desktop was made', NULL, NULL);
      RETURN NULL;
    END $$;
ALTER FUNCTION ostler.tell_provision() OWNER TO ostler_hkd;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE ostler.administrator (
    id integer NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    tenant_id integer,
    blocked boolean DEFAULT false NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT administrator_check CHECK (((role <> 'tenant-admin'::text) OR (tenant_id IS NOT NULL))),
    CONSTRAINT administrator_check1 CHECK (((role <> 'superadmin'::text) OR (tenant_id IS NULL))),
    CONSTRAINT administrator_name_check CHECK (((length(name) >= 1) AND (length(name) <= 63))),
    CONSTRAINT administrator_role_check CHECK ((role = ANY (ARRAY['superadmin'::text, 'tenant-admin'::text, 'operator'::text, 'support'::text, 'auditor'::text]))),
    CONSTRAINT administrator_tenant_id_check CHECK ((tenant_id > 0))
);
ALTER TABLE ostler.administrator OWNER TO ostler_hkd;
ALTER TABLE ostler.administrator ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.administrator_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.administrator_token (
    id integer NOT NULL,
    administrator_id integer NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL,
    scope text[],
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    used_from text,
    CONSTRAINT administrator_token_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT administrator_token_kind_check CHECK ((kind = ANY (ARRAY['token'::text, 'invitation'::text]))),
    CONSTRAINT administrator_token_name_check CHECK (((length(name) >= 1) AND (length(name) <= 63)))
);
ALTER TABLE ostler.administrator_token OWNER TO ostler_hkd;
ALTER TABLE ostler.administrator_token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.administrator_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    request text NOT NULL,
    by text NOT NULL,
    role text NOT NULL,
    tenant_id integer,
    address text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    status integer NOT NULL,
    said jsonb,
    before jsonb,
    after jsonb,
    fault text,
    CONSTRAINT audit_request_check CHECK ((length(request) <= 64))
);
ALTER TABLE ostler.audit OWNER TO ostler_hkd;
ALTER TABLE ostler.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.authority (
    id integer NOT NULL,
    certificate text NOT NULL,
    sealed_key text NOT NULL,
    sealing_key text
);
ALTER TABLE ostler.authority OWNER TO ostler_hkd;
ALTER TABLE ostler.authority ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.authority_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.backup (
    id integer NOT NULL,
    by text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    file text,
    bytes bigint,
    rows bigint,
    fault text,
    CONSTRAINT backup_by_check CHECK (((length(by) >= 1) AND (length(by) <= 256))),
    CONSTRAINT backup_check CHECK (((ended_at IS NULL) OR ((file IS NULL) <> (fault IS NULL))))
);
ALTER TABLE ostler.backup OWNER TO ostler_hkd;
ALTER TABLE ostler.backup ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.backup_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.capture (
    id integer NOT NULL,
    vm_id integer NOT NULL,
    flavour_id integer NOT NULL,
    version text,
    tag text,
    by text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    host_id integer,
    stage text DEFAULT 'waiting until the desktop rests'::text NOT NULL,
    ended_at timestamp with time zone,
    image_id integer,
    fault text,
    CONSTRAINT capture_by_check CHECK (((length(by) >= 1) AND (length(by) <= 256)))
);
ALTER TABLE ostler.capture OWNER TO ostler_hkd;
ALTER TABLE ostler.capture ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.capture_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.config (
    tenant_id integer DEFAULT '-1'::integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT config_key_check CHECK (((length(key) >= 1) AND (length(key) <= 256))),
    CONSTRAINT config_value_check CHECK ((length(value) <= 4096))
);
ALTER TABLE ostler.config OWNER TO ostler_hkd;
CREATE TABLE ostler.console_order (
    digest bytea NOT NULL,
    vm_id integer NOT NULL,
    epoch integer NOT NULL,
    by text NOT NULL,
    account text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    signed text,
    CONSTRAINT console_order_account_check CHECK ((account ~ '^[a-z_][a-z0-9_.-]{0,31}$'::text)),
    CONSTRAINT console_order_by_check CHECK ((by ~ '^[^[:cntrl:]]{1,128}$'::text))
);
ALTER TABLE ostler.console_order OWNER TO ostler_hkd;
CREATE TABLE ostler.disk_image (
    id integer NOT NULL,
    flavour_id integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    path text NOT NULL,
    version text NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    sha256 text,
    CONSTRAINT disk_image_kind_check CHECK ((kind = ANY (ARRAY['instant'::text, 'directory'::text, 'tarball'::text, 'squashfs'::text, 'qcow2'::text]))),
    CONSTRAINT disk_image_path_check CHECK ((path ~ '^(/[A-Za-z0-9_./+-]*|[A-Za-z0-9_][A-Za-z0-9_.+-]*)$'::text)),
    CONSTRAINT disk_image_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT disk_image_version_check CHECK ((version ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text))
);
ALTER TABLE ostler.disk_image OWNER TO ostler_hkd;
ALTER TABLE ostler.disk_image ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.disk_image_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.failed_start (
    id integer NOT NULL,
    vm_id integer,
    host_id integer NOT NULL,
    epoch integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    folder text NOT NULL,
    bytes bigint NOT NULL,
    fault text NOT NULL
);
ALTER TABLE ostler.failed_start OWNER TO ostler_hkd;
ALTER TABLE ostler.failed_start ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.failed_start_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.flavour (
    id integer NOT NULL,
    name text NOT NULL,
    memory_mb integer NOT NULL,
    cpu_percent integer NOT NULL,
    is_application boolean DEFAULT false NOT NULL,
    displays text[] DEFAULT ARRAY['nx'::text, 'rfb'::text, 'vnc'::text, 'rdp'::text] NOT NULL,
    hypervisor text,
    home_mb integer DEFAULT 0 NOT NULL,
    "overlay" text DEFAULT 'snapshot'::text NOT NULL,
    maintenance text,
    tenant_id integer,
    max_desktops integer,
    max_per_user integer,
    net_in_kbit integer,
    net_out_kbit integer,
    disk_iops integer,
    disk_kbytes integer,
    slo_seconds integer,
    slo_percent double precision DEFAULT 98 NOT NULL,
    CONSTRAINT flavour_cpu_percent_check CHECK ((cpu_percent >= 5)),
    CONSTRAINT flavour_disk_iops_check CHECK ((disk_iops >= 10)),
    CONSTRAINT flavour_disk_kbytes_check CHECK ((disk_kbytes >= 64)),
    CONSTRAINT flavour_displays_check CHECK (((displays <@ ARRAY['nx'::text, 'rfb'::text, 'vnc'::text, 'spice'::text, 'rdp'::text]) AND (cardinality(displays) > 0))),
    CONSTRAINT flavour_home_mb_check CHECK ((((home_mb >= 16) AND (home_mb <= 67108864)) OR ((home_mb = 0) AND (hypervisor IS DISTINCT FROM 'kvm'::text)))),
    CONSTRAINT flavour_hypervisor_check CHECK ((hypervisor = ANY (ARRAY['lxc'::text, 'kvm'::text, 'process'::text]))),
    CONSTRAINT flavour_maintenance_check CHECK (((length(maintenance) >= 1) AND (length(maintenance) <= 500))),
    CONSTRAINT flavour_max_desktops_check CHECK ((max_desktops >= 0)),
    CONSTRAINT flavour_max_per_user_check CHECK ((max_per_user >= 0)),
    CONSTRAINT flavour_memory_mb_check CHECK ((memory_mb >= 64)),
    CONSTRAINT flavour_net_in_kbit_check CHECK ((net_in_kbit >= 64)),
    CONSTRAINT flavour_net_out_kbit_check CHECK ((net_out_kbit >= 64)),
    CONSTRAINT flavour_overlay_check CHECK (("overlay" = ANY (ARRAY['snapshot'::text, 'persistent'::text, 'user'::text]))),
    CONSTRAINT flavour_slo_percent_check CHECK (((slo_percent >= (50)::double precision) AND (slo_percent < (100)::double precision))),
    CONSTRAINT flavour_slo_seconds_check CHECK (((slo_seconds >= 1) AND (slo_seconds <= 86400))),
    CONSTRAINT flavour_tenant_id_check CHECK ((tenant_id > 0))
);
ALTER TABLE ostler.flavour OWNER TO ostler_hkd;
ALTER TABLE ostler.flavour ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.flavour_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.flavour_property (
    flavour_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT flavour_property_key_check CHECK (((length(key) >= 1) AND (length(key) <= 1024))),
    CONSTRAINT flavour_property_value_check CHECK ((length(value) <= 32768))
);
ALTER TABLE ostler.flavour_property OWNER TO ostler_hkd;
CREATE TABLE ostler.group_member (
    tenant_id integer NOT NULL,
    group_id integer NOT NULL,
    user_id integer NOT NULL
);
ALTER TABLE ostler.group_member OWNER TO ostler_hkd;
CREATE TABLE ostler.home (
    id integer NOT NULL,
    user_id integer,
    flavour_id integer,
    login text NOT NULL,
    tenant text NOT NULL,
    flavour text NOT NULL,
    kind text NOT NULL,
    path text NOT NULL,
    moving_to text,
    host_id integer,
    limit_mb integer NOT NULL,
    made_at timestamp with time zone,
    writer_vm integer,
    writer_epoch integer,
    writer_host integer,
    writer_since timestamp with time zone,
    trashed_at timestamp with time zone,
    purge_at timestamp with time zone,
    purging boolean DEFAULT false NOT NULL,
    trouble text,
    state text GENERATED ALWAYS AS (
CASE
    WHEN (trashed_at IS NOT NULL) THEN 'trash'::text
    WHEN (writer_vm IS NOT NULL) THEN 'in use'::text
    ELSE 'free'::text
END) STORED NOT NULL,
    CONSTRAINT home_check CHECK (((moving_to ~ '^([A-Za-z0-9_@-][A-Za-z0-9_@.-]*/)?[A-Za-z0-9_@-][A-Za-z0-9_@.-]*$'::text) AND (moving_to <> path))),
    CONSTRAINT home_check1 CHECK (((trashed_at IS NULL) = (purge_at IS NULL))),
    CONSTRAINT home_check2 CHECK (((writer_vm IS NULL) OR ((trashed_at IS NULL) AND (moving_to IS NULL)))),
    CONSTRAINT home_check3 CHECK (((NOT purging) OR (trashed_at IS NOT NULL))),
    CONSTRAINT home_kind_check CHECK ((kind = ANY (ARRAY['directory'::text, 'image'::text, 'raw'::text, 'qcow2'::text]))),
    CONSTRAINT home_limit_mb_check CHECK ((limit_mb >= 0)),
    CONSTRAINT home_path_check CHECK ((path ~ '^([A-Za-z0-9_@-][A-Za-z0-9_@.-]*/)?[A-Za-z0-9_@-][A-Za-z0-9_@.-]*$'::text))
);
ALTER TABLE ostler.home OWNER TO ostler_hkd;
ALTER TABLE ostler.home ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME ostler.home_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.host (
    id integer NOT NULL,
    name text NOT NULL,
    memory_mb integer NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'stopped'::text NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    starting_max integer DEFAULT 6 NOT NULL,
    door_address text,
    door_port integer,
    maintenance text,
    peer_address text,
    peer_port integer,
    lost_after_ms integer DEFAULT 25000 NOT NULL,
    standing bigint DEFAULT 0 NOT NULL,
    told_standing bigint DEFAULT 0 NOT NULL,
    cpu real DEFAULT 0 NOT NULL,
    CONSTRAINT host_cpu_check CHECK ((cpu >= (0)::double precision)),
    CONSTRAINT host_door_address_check CHECK (((length(door_address) >= 1) AND (length(door_address) <= 253))),
    CONSTRAINT host_door_port_check CHECK (((door_port >= 1) AND (door_port <= 65535))),
    CONSTRAINT host_lost_after_ms_check CHECK ((lost_after_ms > 0)),
    CONSTRAINT host_maintenance_check CHECK (((length(maintenance) >= 1) AND (length(maintenance) <= 500))),
    CONSTRAINT host_peer_port_check CHECK (((peer_port >= 1) AND (peer_port <= 65535))),
    CONSTRAINT host_starting_max_check CHECK ((starting_max > 0)),
    CONSTRAINT host_state_check CHECK ((state = ANY (ARRAY['stopped'::text, 'starting'::text, 'running'::text, 'stopping'::text, 'lost'::text])))
);
ALTER TABLE ostler.host OWNER TO ostler_hkd;
CREATE TABLE ostler.host_counters (
    host_id integer NOT NULL,
    http_requests bigint DEFAULT 0 NOT NULL,
    auth_attempts bigint DEFAULT 0 NOT NULL,
    auth_ok bigint DEFAULT 0 NOT NULL,
    nx_attempts bigint DEFAULT 0 NOT NULL,
    nx_ok bigint DEFAULT 0 NOT NULL,
    short_sessions bigint DEFAULT 0 NOT NULL
);
ALTER TABLE ostler.host_counters OWNER TO ostler_hkd;
ALTER TABLE ostler.host ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.host_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.host_invitation (
    host_id integer NOT NULL,
    digest bytea NOT NULL,
    sealed text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT host_invitation_digest_check CHECK ((length(digest) = 32))
);
ALTER TABLE ostler.host_invitation OWNER TO ostler_hkd;
CREATE TABLE ostler.host_property (
    host_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT host_property_key_check CHECK (((length(key) >= 1) AND (length(key) <= 1024))),
    CONSTRAINT host_property_value_check CHECK ((length(value) <= 32768))
);
ALTER TABLE ostler.host_property OWNER TO ostler_hkd;
CREATE TABLE ostler.image_copy (
    disk_image_id integer NOT NULL,
    host_id integer NOT NULL,
    state text NOT NULL,
    reason text,
    bytes_done bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    sha256 text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT image_copy_state_check CHECK ((state = ANY (ARRAY['new'::text, 'copying'::text, 'ready'::text, 'broken'::text, 'removed'::text])))
);
ALTER TABLE ostler.image_copy OWNER TO ostler_hkd;
CREATE TABLE ostler.image_property (
    image_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT image_property_key_check CHECK (((length(key) >= 1) AND (length(key) <= 1024))),
    CONSTRAINT image_property_value_check CHECK ((length(value) <= 32768))
);
ALTER TABLE ostler.image_property OWNER TO ostler_hkd;
CREATE TABLE ostler.image_tag (
    flavour_id integer NOT NULL,
    tag text NOT NULL,
    disk_image_id integer NOT NULL,
    fixed boolean DEFAULT false NOT NULL,
    CONSTRAINT image_tag_tag_check CHECK ((tag ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text))
);
ALTER TABLE ostler.image_tag OWNER TO ostler_hkd;
CREATE TABLE ostler.job (
    id integer NOT NULL,
    kind text NOT NULL,
    by text NOT NULL,
    state text DEFAULT 'previewed'::text NOT NULL,
    progress text DEFAULT ''::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    host_id integer,
    lease_until timestamp with time zone,
    CONSTRAINT job_by_check CHECK (((length(by) >= 1) AND (length(by) <= 256))),
    CONSTRAINT job_kind_check CHECK ((kind = 'roll-out'::text)),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['previewed'::text, 'running'::text, 'paused'::text, 'stopping'::text, 'done'::text, 'failed'::text, 'rolled back'::text])))
);
ALTER TABLE ostler.job OWNER TO ostler_hkd;
ALTER TABLE ostler.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.job_item (
    job_id integer NOT NULL,
    vm_id integer NOT NULL,
    wave integer NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    was_up boolean DEFAULT false NOT NULL,
    tried boolean DEFAULT false NOT NULL,
    fault text,
    CONSTRAINT job_item_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'new'::text, 'old'::text, 'failed'::text, 'left'::text]))),
    CONSTRAINT job_item_wave_check CHECK ((wave >= 1))
);
ALTER TABLE ostler.job_item OWNER TO ostler_hkd;
CREATE TABLE ostler.job_log (
    id bigint NOT NULL,
    job_id integer NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    text text NOT NULL
);
ALTER TABLE ostler.job_log OWNER TO ostler_hkd;
ALTER TABLE ostler.job_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.job_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.known_address (
    tenant_id integer NOT NULL,
    login text NOT NULL,
    address text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ostler.known_address OWNER TO ostler_hkd;
CREATE TABLE ostler.kysely_migration (
    name character varying(255) NOT NULL,
    "timestamp" character varying(255) NOT NULL
);
ALTER TABLE ostler.kysely_migration OWNER TO ostler_hkd;
CREATE TABLE ostler.kysely_migration_lock (
    id character varying(255) NOT NULL,
    is_locked integer DEFAULT 0 NOT NULL
);
ALTER TABLE ostler.kysely_migration_lock OWNER TO ostler_hkd;
CREATE TABLE ostler.notice (
    id bigint NOT NULL,
    kind text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    vm_id integer NOT NULL,
    vm text NOT NULL,
    login text NOT NULL,
    said text NOT NULL,
    code text,
    cure text,
    mailed_at timestamp with time zone,
    posted_at timestamp with time zone,
    CONSTRAINT notice_kind_check CHECK ((kind = ANY (ARRAY['failure'::text, 'provision'::text, 'expiry'::text])))
);
ALTER TABLE ostler.notice OWNER TO ostler_hkd;
CREATE TABLE ostler.notice_channel (
    channel text NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    held_until timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    fault text,
    CONSTRAINT notice_channel_channel_check CHECK ((channel = ANY (ARRAY['mail'::text, 'webhook'::text])))
);
ALTER TABLE ostler.notice_channel OWNER TO ostler_hkd;
ALTER TABLE ostler.notice ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.notice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.pairing (
    device_digest bytea NOT NULL,
    user_digest bytea NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    client text NOT NULL,
    address text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    polled_at timestamp with time zone,
    user_id integer,
    parameters_id integer,
    CONSTRAINT pairing_check CHECK (((state = 'confirmed'::text) = ((user_id IS NOT NULL) AND (parameters_id IS NOT NULL)))),
    CONSTRAINT pairing_client_check CHECK ((length(client) <= 64)),
    CONSTRAINT pairing_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'confirmed'::text, 'refused'::text])))
);
ALTER TABLE ostler.pairing OWNER TO ostler_hkd;
CREATE TABLE ostler.policy_rule (
    id integer NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    tenant_id integer,
    login text,
    group_name text,
    role text,
    flavour_id integer,
    desktop text,
    sources text[],
    use boolean,
    displays text[],
    clipboard text,
    folders text,
    folder_roots text[],
    printing boolean,
    audio boolean,
    usb boolean,
    quota integer,
    ports boolean,
    CONSTRAINT policy_rule_check CHECK (((folder_roots IS NULL) OR (folders IS NOT NULL))),
    CONSTRAINT policy_rule_clipboard_check CHECK ((clipboard = ANY (ARRAY['none'::text, 'in'::text, 'out'::text, 'both'::text]))),
    CONSTRAINT policy_rule_displays_check CHECK ((displays <@ ARRAY['nx'::text, 'rfb'::text, 'vnc'::text, 'spice'::text, 'rdp'::text])),
    CONSTRAINT policy_rule_folders_check CHECK ((folders = ANY (ARRAY['off'::text, 'ro'::text, 'rw'::text]))),
    CONSTRAINT policy_rule_quota_check CHECK ((quota >= 0)),
    CONSTRAINT policy_rule_role_check CHECK ((role = ANY (ARRAY['user'::text, 'power'::text, 'support'::text])))
);
ALTER TABLE ostler.policy_rule OWNER TO ostler_hkd;
ALTER TABLE ostler.policy_rule ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.policy_rule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.pool (
    id integer DEFAULT nextval((pg_get_serial_sequence('ostler.vm'::text, 'id'::text))::regclass) NOT NULL,
    name text NOT NULL,
    tenant_id integer NOT NULL,
    owner_id integer NOT NULL,
    flavour_id integer NOT NULL,
    di_tag text DEFAULT 'default'::text NOT NULL,
    assign text DEFAULT 'floating'::text NOT NULL,
    size integer NOT NULL,
    spare integer DEFAULT 0 NOT NULL,
    most integer NOT NULL,
    stop_minutes integer,
    everyone boolean DEFAULT false NOT NULL,
    logins text[] DEFAULT '{}'::text[] NOT NULL,
    groups text[] DEFAULT '{}'::text[] NOT NULL,
    maintenance text,
    CONSTRAINT pool_assign_check CHECK ((assign = ANY (ARRAY['floating'::text, 'dedicated'::text]))),
    CONSTRAINT pool_maintenance_check CHECK (((length(maintenance) >= 1) AND (length(maintenance) <= 500))),
    CONSTRAINT pool_most_check CHECK ((most >= 0)),
    CONSTRAINT pool_size_check CHECK (((size >= 0) AND (size <= 10000))),
    CONSTRAINT pool_spare_check CHECK ((spare >= 0)),
    CONSTRAINT pool_stop_minutes_check CHECK (((stop_minutes >= 0) AND (stop_minutes <= 100000)))
);
ALTER TABLE ostler.pool OWNER TO ostler_hkd;
CREATE TABLE ostler.pool_claim (
    number integer NOT NULL,
    pool_id integer NOT NULL,
    user_id integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    vm_id integer,
    outcome text
);
ALTER TABLE ostler.pool_claim OWNER TO ostler_hkd;
ALTER TABLE ostler.pool_claim ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.pool_claim_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.roll_out (
    job_id integer NOT NULL,
    flavour_id integer NOT NULL,
    tag text NOT NULL,
    image_id integer,
    old_image_id integer,
    token text NOT NULL,
    settings jsonb NOT NULL,
    waves integer NOT NULL,
    wave integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    back_at timestamp with time zone,
    CONSTRAINT roll_out_waves_check CHECK ((waves >= 1))
);
ALTER TABLE ostler.roll_out OWNER TO ostler_hkd;
CREATE TABLE ostler.seat (
    vm_id integer NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    state text NOT NULL,
    door text,
    label text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    ended_by text,
    displaced text,
    user_id integer,
    CONSTRAINT seat_check CHECK (((door IS NOT NULL) OR (state = 'disconnected'::text))),
    CONSTRAINT seat_state_check CHECK ((state = ANY (ARRAY['disconnected'::text, 'connecting'::text, 'connected'::text])))
);
ALTER TABLE ostler.seat OWNER TO ostler_hkd;
CREATE TABLE ostler.session_hook (
    id bigint NOT NULL,
    vm_id integer NOT NULL,
    epoch integer NOT NULL,
    session integer NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    hook text NOT NULL,
    word text NOT NULL,
    exit integer,
    ms integer NOT NULL,
    said text NOT NULL
);
ALTER TABLE ostler.session_hook OWNER TO ostler_hkd;
ALTER TABLE ostler.session_hook ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.session_hook_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE UNLOGGED TABLE ostler.sign_in_failure (
    subject text NOT NULL,
    failures integer NOT NULL,
    mark integer,
    last_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ostler.sign_in_failure OWNER TO ostler_hkd;
CREATE TABLE ostler.spent_credential (
    user_id integer NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    address text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ostler.spent_credential OWNER TO ostler_hkd;
CREATE TABLE ostler.spent_state (
    digest bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
ALTER TABLE ostler.spent_state OWNER TO ostler_hkd;
CREATE TABLE ostler.ssl_file (
    name text NOT NULL,
    content text,
    sealed text,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ssl_file_check CHECK (
CASE
    WHEN (name = 'key'::text) THEN ((content IS NULL) AND (sealed IS NOT NULL))
    ELSE ((content IS NOT NULL) AND (sealed IS NULL))
END),
    CONSTRAINT ssl_file_content_check CHECK ((length(content) <= 1048576)),
    CONSTRAINT ssl_file_name_check CHECK ((name = ANY (ARRAY['key'::text, 'cert'::text, 'ca'::text, 'crl'::text]))),
    CONSTRAINT ssl_file_sealed_check CHECK ((length(sealed) <= 1048576))
);
ALTER TABLE ostler.ssl_file OWNER TO ostler_hkd;
CREATE SEQUENCE ostler.standing
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE ostler.standing OWNER TO ostler_hkd;
CREATE SEQUENCE ostler.start_count
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE ostler.start_count OWNER TO ostler_hkd;
CREATE TABLE ostler.storage_look (
    id integer NOT NULL,
    host_id integer NOT NULL,
    by text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    fault text,
    CONSTRAINT storage_look_by_check CHECK (((length(by) >= 1) AND (length(by) <= 256)))
);
ALTER TABLE ostler.storage_look OWNER TO ostler_hkd;
ALTER TABLE ostler.storage_look ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.storage_look_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.storage_orphan (
    id integer NOT NULL,
    look_id integer NOT NULL,
    path text NOT NULL,
    kind text NOT NULL,
    why text NOT NULL,
    bytes bigint NOT NULL,
    modified_at timestamp with time zone NOT NULL,
    identity text NOT NULL,
    purge_asked_at timestamp with time zone,
    purged_at timestamp with time zone,
    fault text
);
ALTER TABLE ostler.storage_orphan OWNER TO ostler_hkd;
ALTER TABLE ostler.storage_orphan ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.storage_orphan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.tenant (
    id integer NOT NULL,
    name text NOT NULL,
    blocked boolean DEFAULT false NOT NULL
);
ALTER TABLE ostler.tenant OWNER TO ostler_hkd;
ALTER TABLE ostler.tenant ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME ostler.tenant_id_seq
    START WITH 2
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.ticket (
    digest bytea NOT NULL,
    kind text NOT NULL,
    vm_id integer NOT NULL,
    epoch integer NOT NULL,
    by text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    uses_left integer DEFAULT 1 NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ticket_by_check CHECK (((length(by) >= 1) AND (length(by) <= 256))),
    CONSTRAINT ticket_kind_check CHECK ((kind = ANY (ARRAY['console'::text, 'support'::text, 'serial'::text, 'ssh'::text, 'folder'::text, 'usb'::text, 'vnc'::text, 'spice'::text, 'rdp'::text, 'hop'::text]))),
    CONSTRAINT ticket_uses_left_check CHECK (((uses_left >= 0) AND (uses_left <= 32)))
);
ALTER TABLE ostler.ticket OWNER TO ostler_hkd;
CREATE TABLE ostler.timeline (
    vm_id integer NOT NULL,
    epoch integer NOT NULL,
    step text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ostler.timeline OWNER TO ostler_hkd;
CREATE TABLE ostler.user_auth_parameters (
    id integer NOT NULL,
    user_id integer NOT NULL,
    parameters jsonb NOT NULL,
    groups jsonb DEFAULT '[]'::jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
ALTER TABLE ostler.user_auth_parameters OWNER TO ostler_hkd;
ALTER TABLE ostler.user_auth_parameters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.user_auth_parameters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.user_group (
    id integer NOT NULL,
    tenant_id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT user_group_name_check CHECK (((length(name) >= 1) AND (length(name) <= 256))),
    CONSTRAINT user_group_tenant_id_check CHECK ((tenant_id > 0))
);
ALTER TABLE ostler.user_group OWNER TO ostler_hkd;
ALTER TABLE ostler.user_group ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.user_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.user_property (
    user_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT user_property_key_check CHECK (((length(key) >= 1) AND (length(key) <= 1024))),
    CONSTRAINT user_property_value_check CHECK ((length(value) <= 32768))
);
ALTER TABLE ostler.user_property OWNER TO ostler_hkd;
CREATE TABLE ostler.user_token (
    digest bytea NOT NULL,
    user_id integer NOT NULL,
    vm_id integer,
    parameters_id integer,
    multi_use boolean NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    taken_at timestamp with time zone,
    taken_from text
);
ALTER TABLE ostler.user_token OWNER TO ostler_hkd;
CREATE TABLE ostler.users (
    id integer NOT NULL,
    login text NOT NULL,
    password text NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    tenant_id integer DEFAULT 1 NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    maintenance text,
    CONSTRAINT users_maintenance_check CHECK (((length(maintenance) >= 1) AND (length(maintenance) <= 500))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'power'::text, 'support'::text]))),
    CONSTRAINT users_tenant_id_check CHECK ((tenant_id > 0))
);
ALTER TABLE ostler.users OWNER TO ostler_hkd;
ALTER TABLE ostler.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.vm (
    id integer NOT NULL,
    name text NOT NULL,
    user_id integer NOT NULL,
    flavour_id integer NOT NULL,
    address text NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    state text DEFAULT 'stopped'::text NOT NULL,
    prior text DEFAULT 'stopped'::text NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    host_id integer,
    fault text,
    di_tag text DEFAULT 'default'::text NOT NULL,
    held text,
    agent_at text,
    disconnects integer DEFAULT 0 NOT NULL,
    hypervisor text,
    warning text,
    disk_image_id integer,
    expire_soft timestamp with time zone,
    expire_hard timestamp with time zone,
    expiry_told_at timestamp with time zone,
    fault_code text,
    fault_cure text,
    failures integer DEFAULT 0 NOT NULL,
    next_try_at timestamp with time zone,
    agent_verdict text,
    agent_said text,
    agent_since timestamp with time zone,
    pool_id integer,
    assigned_user_id integer,
    assigned_at timestamp with time zone,
    dirty_user_id integer,
    dirty_since timestamp with time zone,
    generation integer DEFAULT 0 NOT NULL,
    maintenance text,
    image_pin integer,
    CONSTRAINT vm_agent_verdict_check CHECK ((agent_verdict = ANY (ARRAY['answers'::text, 'notStarted'::text, 'unreachable'::text, 'refusing'::text, 'hung'::text]))),
    CONSTRAINT vm_assigned_at CHECK (((assigned_user_id IS NULL) = (assigned_at IS NULL))),
    CONSTRAINT vm_assigned_in_pool CHECK (((assigned_user_id IS NULL) OR (pool_id IS NOT NULL))),
    CONSTRAINT vm_dirty_since CHECK (((dirty_user_id IS NULL) = (dirty_since IS NULL))),
    CONSTRAINT vm_failures_check CHECK ((failures >= 0)),
    CONSTRAINT vm_holds_its_users_data CHECK (((assigned_user_id IS NULL) OR ((dirty_user_id IS NOT NULL) AND (dirty_user_id = assigned_user_id)))),
    CONSTRAINT vm_hypervisor_check CHECK ((hypervisor = ANY (ARRAY['lxc'::text, 'kvm'::text, 'process'::text, 'simulated'::text]))),
    CONSTRAINT vm_maintenance_check CHECK (((length(maintenance) >= 1) AND (length(maintenance) <= 500)))
);
ALTER TABLE ostler.vm OWNER TO ostler_hkd;
CREATE TABLE ostler.vm_edge (
    prior text NOT NULL,
    state text NOT NULL
);
ALTER TABLE ostler.vm_edge OWNER TO ostler_hkd;
ALTER TABLE ostler.vm ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.vm_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.vm_log (
    id bigint NOT NULL,
    vm_id integer NOT NULL,
    epoch integer NOT NULL,
    event text NOT NULL,
    prior text NOT NULL,
    state text NOT NULL,
    fault text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    fault_code text,
    fault_cure text,
    console text,
    disk_image_id integer,
    CONSTRAINT vm_log_console_check CHECK ((length(console) <= 65536))
);
ALTER TABLE ostler.vm_log OWNER TO ostler_hkd;
ALTER TABLE ostler.vm_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.vm_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ostler.vm_property (
    vm_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT vm_property_key_check CHECK (((length(key) >= 1) AND (length(key) <= 1024))),
    CONSTRAINT vm_property_value_check CHECK ((length(value) <= 32768))
);
ALTER TABLE ostler.vm_property OWNER TO ostler_hkd;
CREATE TABLE ostler.vm_remains (
    vm_id integer NOT NULL,
    host_id integer NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ostler.vm_remains OWNER TO ostler_hkd;
CREATE TABLE ostler.vm_reset (
    vm_id integer NOT NULL,
    generation integer NOT NULL,
    of_user_id integer NOT NULL,
    host_id integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ostler.vm_reset OWNER TO ostler_hkd;
CREATE TABLE ostler.wish (
    number integer NOT NULL,
    vm_id integer NOT NULL,
    kind text NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    closed_at timestamp with time zone,
    outcome text,
    interactive boolean DEFAULT false NOT NULL,
    connection text,
    persistent boolean DEFAULT false NOT NULL,
    CONSTRAINT wish_connection_check CHECK ((connection ~ '^[a-z0-9]{8,32}$'::text))
);
ALTER TABLE ostler.wish OWNER TO ostler_hkd;
ALTER TABLE ostler.wish ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ostler.wish_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO ostler.config VALUES (-1, 'l7r.auth.plugins', 'default');
INSERT INTO ostler.config VALUES (2, 'l7r.auth.timeout', '20');
INSERT INTO ostler.flavour OVERRIDING SYSTEM VALUE VALUES (1, 'flavour4', 256, 50, false, '{nx,rfb,vnc,rdp}', NULL, 0, 'snapshot', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 98);
INSERT INTO ostler.kysely_migration VALUES ('0001-skeleton', '2026-11-22T11:33:13.042Z');
INSERT INTO ostler.kysely_migration VALUES ('0002-sign-in', '2026-11-22T11:33:13.079Z');
INSERT INTO ostler.kysely_migration VALUES ('0003-tickets', '2026-11-22T11:33:13.083Z');
INSERT INTO ostler.kysely_migration VALUES ('0004-starts', '2026-11-22T11:33:13.099Z');
INSERT INTO ostler.kysely_migration VALUES ('0005-agent-at', '2026-11-22T11:33:13.100Z');
INSERT INTO ostler.kysely_migration VALUES ('0006-tunnels', '2026-11-22T11:33:13.107Z');
INSERT INTO ostler.kysely_migration VALUES ('0007-displays', '2026-11-22T11:33:13.111Z');
INSERT INTO ostler.kysely_migration VALUES ('0008-doors', '2026-11-22T11:33:13.112Z');
INSERT INTO ostler.kysely_migration VALUES ('0009-wish-connection', '2026-11-22T11:33:13.114Z');
INSERT INTO ostler.kysely_migration VALUES ('0010-hypervisors', '2026-11-22T11:33:13.116Z');
INSERT INTO ostler.kysely_migration VALUES ('0011-images', '2026-11-22T11:33:13.126Z');
INSERT INTO ostler.kysely_migration VALUES ('0016-ssl-files', '2026-11-22T11:33:13.131Z');
INSERT INTO ostler.kysely_migration VALUES ('0017-backups', '2026-11-22T11:33:13.136Z');
INSERT INTO ostler.kysely_migration VALUES ('0018-homes', '2026-11-22T11:33:13.147Z');
INSERT INTO ostler.kysely_migration VALUES ('0019-storage', '2026-11-22T11:33:13.162Z');
INSERT INTO ostler.kysely_migration VALUES ('0020-known-nodes', '2026-11-22T11:33:13.163Z');
INSERT INTO ostler.kysely_migration VALUES ('0021-health', '2026-11-22T11:33:13.181Z');
INSERT INTO ostler.kysely_migration VALUES ('0022-pools', '2026-11-22T11:33:13.232Z');
INSERT INTO ostler.kysely_migration VALUES ('0023-jobs', '2026-11-22T11:33:13.259Z');
INSERT INTO ostler.kysely_migration VALUES ('0024-squashfs', '2026-11-22T11:33:13.261Z');
INSERT INTO ostler.kysely_migration VALUES ('0025-start-count', '2026-11-22T11:33:13.265Z');
INSERT INTO ostler.kysely_migration VALUES ('0026-one-node', '2026-11-22T11:33:13.268Z');
INSERT INTO ostler.kysely_migration VALUES ('0027-administrators', '2026-11-22T11:33:13.287Z');
INSERT INTO ostler.kysely_migration VALUES ('0028-port-rules', '2026-11-22T11:33:13.288Z');
INSERT INTO ostler.kysely_migration VALUES ('0029-administration', '2026-11-22T11:33:13.293Z');
INSERT INTO ostler.kysely_migration VALUES ('0030-nodes', '2026-11-22T11:33:13.303Z');
INSERT INTO ostler.kysely_migration VALUES ('0031-placement', '2026-11-22T11:33:13.304Z');
INSERT INTO ostler.kysely_migration VALUES ('0032-slo', '2026-11-22T11:33:13.308Z');
INSERT INTO ostler.kysely_migration VALUES ('0033-usb-tickets', '2026-11-22T11:33:13.309Z');
INSERT INTO ostler.kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO ostler.notice OVERRIDING SYSTEM VALUE VALUES (1, 'provision', '2026-11-22 11:33:13.31966+00', 1, 'desk2', 'user3', 'the desktop was made', NULL, NULL, NULL, NULL);
INSERT INTO ostler.notice_channel VALUES ('mail', '2026-11-22 11:33:12.996977+00', NULL, 0, NULL);
INSERT INTO ostler.notice_channel VALUES ('webhook', '2026-11-22 11:33:12.996977+00', NULL, 0, NULL);
INSERT INTO ostler.tenant VALUES (-1, '-', false);
INSERT INTO ostler.tenant VALUES (0, '*', false);
INSERT INTO ostler.tenant VALUES (1, 'default', false);
INSERT INTO ostler.tenant VALUES (2, 'acme', false);
INSERT INTO ostler.users OVERRIDING SYSTEM VALUE VALUES (1, 'ann', '$scrypt$', false, 2, 'user', NULL);
INSERT INTO ostler.users OVERRIDING SYSTEM VALUE VALUES (2, 'user3', '', false, 1, 'user', NULL);
INSERT INTO ostler.vm OVERRIDING SYSTEM VALUE VALUES (1, 'desk2', 2, 1, '10.3.15.20', false, 'stopped', 'stopped', '2026-11-22 11:33:13.31966+00', 3, NULL, NULL, 'default', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL);
INSERT INTO ostler.vm_edge VALUES ('stopped', 'preparing');
INSERT INTO ostler.vm_edge VALUES ('preparing', 'booting');
INSERT INTO ostler.vm_edge VALUES ('preparing', 'stopping');
INSERT INTO ostler.vm_edge VALUES ('preparing', 'failed');
INSERT INTO ostler.vm_edge VALUES ('preparing', 'lost');
INSERT INTO ostler.vm_edge VALUES ('booting', 'running');
INSERT INTO ostler.vm_edge VALUES ('booting', 'stopping');
INSERT INTO ostler.vm_edge VALUES ('booting', 'failed');
INSERT INTO ostler.vm_edge VALUES ('booting', 'killing');
INSERT INTO ostler.vm_edge VALUES ('booting', 'lost');
INSERT INTO ostler.vm_edge VALUES ('running', 'stopping');
INSERT INTO ostler.vm_edge VALUES ('running', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('running', 'lost');
INSERT INTO ostler.vm_edge VALUES ('stopping', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('stopping', 'killing');
INSERT INTO ostler.vm_edge VALUES ('stopping', 'lost');
INSERT INTO ostler.vm_edge VALUES ('killing', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('killing', 'failed');
INSERT INTO ostler.vm_edge VALUES ('killing', 'lost');
INSERT INTO ostler.vm_edge VALUES ('lost', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('failed', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('stopped', 'stopped');
INSERT INTO ostler.vm_edge VALUES ('preparing', 'preparing');
INSERT INTO ostler.vm_edge VALUES ('booting', 'booting');
INSERT INTO ostler.vm_edge VALUES ('running', 'running');
INSERT INTO ostler.vm_edge VALUES ('stopping', 'stopping');
INSERT INTO ostler.vm_edge VALUES ('killing', 'killing');
INSERT INTO ostler.vm_edge VALUES ('lost', 'lost');
INSERT INTO ostler.vm_edge VALUES ('failed', 'failed');
INSERT INTO ostler.wish OVERRIDING SYSTEM VALUE VALUES (1, 1, 'run', 'administrator', 'qa', '2026-11-22 11:33:13.322395+00', NULL, NULL, NULL, false, NULL, false);
SELECT pg_catalog.setval('ostler.administrator_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.administrator_token_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.audit_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.authority_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.backup_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.capture_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.disk_image_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.failed_start_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.flavour_id_seq', 1, true);
SELECT pg_catalog.setval('ostler.home_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.host_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.job_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.job_log_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.notice_id_seq', 1, true);
SELECT pg_catalog.setval('ostler.policy_rule_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.pool_claim_number_seq', 1, false);
SELECT pg_catalog.setval('ostler.session_hook_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.standing', 1, false);
SELECT pg_catalog.setval('ostler.start_count', 1, false);
SELECT pg_catalog.setval('ostler.storage_look_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.storage_orphan_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.tenant_id_seq', 2, true);
SELECT pg_catalog.setval('ostler.user_auth_parameters_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.user_group_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.users_id_seq', 2, true);
SELECT pg_catalog.setval('ostler.vm_id_seq', 1, true);
SELECT pg_catalog.setval('ostler.vm_log_id_seq', 1, false);
SELECT pg_catalog.setval('ostler.wish_number_seq', 1, true);
ALTER TABLE ONLY ostler.administrator
    ADD CONSTRAINT administrator_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.administrator_token
    ADD CONSTRAINT administrator_token_digest_key UNIQUE (digest);
ALTER TABLE ONLY ostler.administrator_token
    ADD CONSTRAINT administrator_token_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.authority
    ADD CONSTRAINT authority_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.backup
    ADD CONSTRAINT backup_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.capture
    ADD CONSTRAINT capture_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.config
    ADD CONSTRAINT config_pkey PRIMARY KEY (tenant_id, key);
ALTER TABLE ONLY ostler.console_order
    ADD CONSTRAINT console_order_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY ostler.disk_image
    ADD CONSTRAINT disk_image_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.disk_image
    ADD CONSTRAINT disk_image_of_flavour UNIQUE (flavour_id, id);
ALTER TABLE ONLY ostler.disk_image
    ADD CONSTRAINT disk_image_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.disk_image
    ADD CONSTRAINT disk_image_version UNIQUE (flavour_id, version);
ALTER TABLE ONLY ostler.failed_start
    ADD CONSTRAINT failed_start_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.failed_start
    ADD CONSTRAINT failed_start_vm_id_epoch_key UNIQUE (vm_id, epoch);
ALTER TABLE ONLY ostler.flavour
    ADD CONSTRAINT flavour_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.flavour
    ADD CONSTRAINT flavour_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.flavour_property
    ADD CONSTRAINT flavour_property_pkey PRIMARY KEY (flavour_id, key);
ALTER TABLE ONLY ostler.group_member
    ADD CONSTRAINT group_member_pkey PRIMARY KEY (group_id, user_id);
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_moving_to_key UNIQUE (moving_to);
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_path_key UNIQUE (path);
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.host_counters
    ADD CONSTRAINT host_counters_pkey PRIMARY KEY (host_id);
ALTER TABLE ONLY ostler.host_invitation
    ADD CONSTRAINT host_invitation_digest_key UNIQUE (digest);
ALTER TABLE ONLY ostler.host_invitation
    ADD CONSTRAINT host_invitation_pkey PRIMARY KEY (host_id);
ALTER TABLE ONLY ostler.host
    ADD CONSTRAINT host_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.host
    ADD CONSTRAINT host_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.host_property
    ADD CONSTRAINT host_property_pkey PRIMARY KEY (host_id, key);
ALTER TABLE ONLY ostler.image_copy
    ADD CONSTRAINT image_copy_pkey PRIMARY KEY (disk_image_id, host_id);
ALTER TABLE ONLY ostler.image_property
    ADD CONSTRAINT image_property_pkey PRIMARY KEY (image_id, key);
ALTER TABLE ONLY ostler.image_tag
    ADD CONSTRAINT image_tag_pkey PRIMARY KEY (flavour_id, tag);
ALTER TABLE ONLY ostler.job_item
    ADD CONSTRAINT job_item_pkey PRIMARY KEY (job_id, vm_id);
ALTER TABLE ONLY ostler.job_log
    ADD CONSTRAINT job_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.known_address
    ADD CONSTRAINT known_address_pkey PRIMARY KEY (tenant_id, login, address);
ALTER TABLE ONLY ostler.kysely_migration_lock
    ADD CONSTRAINT kysely_migration_lock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.kysely_migration
    ADD CONSTRAINT kysely_migration_pkey PRIMARY KEY (name);
ALTER TABLE ONLY ostler.notice_channel
    ADD CONSTRAINT notice_channel_pkey PRIMARY KEY (channel);
ALTER TABLE ONLY ostler.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.pairing
    ADD CONSTRAINT pairing_pkey PRIMARY KEY (device_digest);
ALTER TABLE ONLY ostler.pairing
    ADD CONSTRAINT pairing_user_digest_key UNIQUE (user_digest);
ALTER TABLE ONLY ostler.policy_rule
    ADD CONSTRAINT policy_rule_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.policy_rule
    ADD CONSTRAINT policy_rule_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.pool_claim
    ADD CONSTRAINT pool_claim_pkey PRIMARY KEY (number);
ALTER TABLE ONLY ostler.pool
    ADD CONSTRAINT pool_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.pool
    ADD CONSTRAINT pool_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.roll_out
    ADD CONSTRAINT roll_out_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY ostler.seat
    ADD CONSTRAINT seat_pkey PRIMARY KEY (vm_id);
ALTER TABLE ONLY ostler.session_hook
    ADD CONSTRAINT session_hook_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.sign_in_failure
    ADD CONSTRAINT sign_in_failure_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY ostler.spent_credential
    ADD CONSTRAINT spent_credential_pkey PRIMARY KEY (user_id, kind, number);
ALTER TABLE ONLY ostler.spent_state
    ADD CONSTRAINT spent_state_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY ostler.ssl_file
    ADD CONSTRAINT ssl_file_pkey PRIMARY KEY (name);
ALTER TABLE ONLY ostler.storage_look
    ADD CONSTRAINT storage_look_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.storage_orphan
    ADD CONSTRAINT storage_orphan_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.ticket
    ADD CONSTRAINT ticket_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY ostler.timeline
    ADD CONSTRAINT timeline_pkey PRIMARY KEY (vm_id, epoch, step);
ALTER TABLE ONLY ostler.user_auth_parameters
    ADD CONSTRAINT user_auth_parameters_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.user_group
    ADD CONSTRAINT user_group_name UNIQUE (tenant_id, name);
ALTER TABLE ONLY ostler.user_group
    ADD CONSTRAINT user_group_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.user_group
    ADD CONSTRAINT user_group_tenant UNIQUE (tenant_id, id);
ALTER TABLE ONLY ostler.user_property
    ADD CONSTRAINT user_property_pkey PRIMARY KEY (user_id, key);
ALTER TABLE ONLY ostler.user_token
    ADD CONSTRAINT user_token_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY ostler.users
    ADD CONSTRAINT users_login UNIQUE (tenant_id, login);
ALTER TABLE ONLY ostler.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.users
    ADD CONSTRAINT users_tenant UNIQUE (tenant_id, id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_address_key UNIQUE (address);
ALTER TABLE ONLY ostler.vm_edge
    ADD CONSTRAINT vm_edge_pkey PRIMARY KEY (prior, state);
ALTER TABLE ONLY ostler.vm_log
    ADD CONSTRAINT vm_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_name_key UNIQUE (name);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ostler.vm_property
    ADD CONSTRAINT vm_property_pkey PRIMARY KEY (vm_id, key);
ALTER TABLE ONLY ostler.vm_remains
    ADD CONSTRAINT vm_remains_pkey PRIMARY KEY (vm_id, host_id);
ALTER TABLE ONLY ostler.vm_reset
    ADD CONSTRAINT vm_reset_pkey PRIMARY KEY (vm_id, generation);
ALTER TABLE ONLY ostler.wish
    ADD CONSTRAINT wish_pkey PRIMARY KEY (number);
CREATE UNIQUE INDEX administrator_name ON ostler.administrator USING btree (lower(name));
CREATE INDEX administrator_tenant_id_idx ON ostler.administrator USING btree (tenant_id);
CREATE INDEX administrator_token_administrator_id_idx ON ostler.administrator_token USING btree (administrator_id);
CREATE INDEX audit_tenant_id_id_idx ON ostler.audit USING btree (tenant_id, id);
CREATE INDEX backup_id_idx ON ostler.backup USING btree (id) WHERE (ended_at IS NULL);
CREATE INDEX capture_vm_id_idx ON ostler.capture USING btree (vm_id) WHERE (ended_at IS NULL);
CREATE INDEX group_member_user_id_idx ON ostler.group_member USING btree (user_id);
CREATE UNIQUE INDEX home_in_service ON ostler.home USING btree (user_id, flavour_id) WHERE (trashed_at IS NULL);
CREATE UNIQUE INDEX home_writer ON ostler.home USING btree (writer_vm);
CREATE INDEX job_id_idx ON ostler.job USING btree (id) WHERE (ended_at IS NULL);
CREATE INDEX job_item_vm_id_idx ON ostler.job_item USING btree (vm_id);
CREATE INDEX job_log_job_id_id_idx ON ostler.job_log USING btree (job_id, id);
CREATE INDEX notice_id_idx ON ostler.notice USING btree (id) WHERE ((mailed_at IS NULL) OR (posted_at IS NULL));
CREATE INDEX pool_claim_pool_id_number_idx ON ostler.pool_claim USING btree (pool_id, number) WHERE (closed_at IS NULL);
CREATE INDEX roll_out_flavour_id_tag_idx ON ostler.roll_out USING btree (flavour_id, tag);
CREATE INDEX session_hook_vm_id_id_idx ON ostler.session_hook USING btree (vm_id, id);
CREATE UNIQUE INDEX tenant_name ON ostler.tenant USING btree (lower(name));
CREATE INDEX ticket_expires ON ostler.ticket USING btree (expires_at);
CREATE INDEX timeline_at_idx ON ostler.timeline USING btree (at) WHERE (step = 'agent up'::text);
CREATE INDEX vm_host ON ostler.vm USING btree (host_id) WHERE (host_id IS NOT NULL);
CREATE INDEX vm_log_at_idx ON ostler.vm_log USING btree (at);
CREATE INDEX vm_log_vm_id_id_idx ON ostler.vm_log USING btree (vm_id, id);
CREATE INDEX vm_pool_id_idx ON ostler.vm USING btree (pool_id) WHERE (pool_id IS NOT NULL);
CREATE INDEX vm_state ON ostler.vm USING btree (state);
CREATE INDEX vm_to_reset ON ostler.vm USING btree (id) WHERE ((dirty_user_id IS NOT NULL) AND (assigned_user_id IS NULL));
CREATE INDEX wish_vm_id_closed_at_idx ON ostler.wish USING btree (vm_id, closed_at) WHERE (interactive AND (outcome = 'running'::text));
CREATE INDEX wish_vm_id_idx ON ostler.wish USING btree (vm_id) WHERE (closed_at IS NULL);
CREATE TRIGGER count_start AFTER UPDATE OF epoch ON ostler.vm FOR EACH ROW WHEN ((new.epoch > old.epoch)) EXECUTE FUNCTION ostler.count_start();
CREATE TRIGGER keep_log BEFORE DELETE OR UPDATE ON ostler.vm_log FOR EACH ROW EXECUTE FUNCTION ostler.keep_log();
CREATE TRIGGER keep_pooled BEFORE UPDATE ON ostler.vm FOR EACH ROW EXECUTE FUNCTION ostler.keep_pooled();
CREATE TRIGGER keep_seat BEFORE INSERT OR UPDATE ON ostler.seat FOR EACH ROW EXECUTE FUNCTION ostler.keep_seat();
CREATE TRIGGER keep_whole_log BEFORE TRUNCATE ON ostler.vm_log FOR EACH STATEMENT EXECUTE FUNCTION ostler.keep_log();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.administrator FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.backup FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.disk_image FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.flavour FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.group_member FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.home FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.image_tag FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.notice FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.policy_rule FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.pool FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.tenant FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.user_group FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE ON ostler.users FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_administrators AFTER INSERT OR DELETE OR UPDATE OF di_tag, expire_soft, expire_hard, blocked, maintenance ON ostler.vm FOR EACH STATEMENT EXECUTE FUNCTION ostler.tell_administrators();
CREATE TRIGGER tell_expiry AFTER INSERT ON ostler.wish FOR EACH ROW WHEN ((new.kind = 'expire'::text)) EXECUTE FUNCTION ostler.tell_expiry();
CREATE TRIGGER tell_failure AFTER INSERT ON ostler.vm_log FOR EACH ROW WHEN (((new.state IS DISTINCT FROM new.prior) AND ((new.state = ANY (ARRAY['failed'::text, 'lost'::text])) OR (new.event = 'agentLost'::text)))) EXECUTE FUNCTION ostler.tell_failure();
CREATE TRIGGER tell_of_notice AFTER UPDATE OF expiry_told_at ON ostler.vm FOR EACH ROW WHEN (((new.expiry_told_at IS NOT NULL) AND (old.expiry_told_at IS NULL))) EXECUTE FUNCTION ostler.tell_of_notice();
CREATE TRIGGER tell_provision AFTER INSERT ON ostler.vm FOR EACH ROW EXECUTE FUNCTION ostler.tell_provision();
ALTER TABLE ONLY ostler.administrator
    ADD CONSTRAINT administrator_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.administrator_token
    ADD CONSTRAINT administrator_token_administrator_id_fkey FOREIGN KEY (administrator_id) REFERENCES ostler.administrator(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.capture
    ADD CONSTRAINT capture_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.capture
    ADD CONSTRAINT capture_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.capture
    ADD CONSTRAINT capture_image_id_fkey FOREIGN KEY (image_id) REFERENCES ostler.disk_image(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.capture
    ADD CONSTRAINT capture_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.config
    ADD CONSTRAINT config_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.console_order
    ADD CONSTRAINT console_order_digest_fkey FOREIGN KEY (digest) REFERENCES ostler.ticket(digest) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.console_order
    ADD CONSTRAINT console_order_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.disk_image
    ADD CONSTRAINT disk_image_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id);
ALTER TABLE ONLY ostler.failed_start
    ADD CONSTRAINT failed_start_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.failed_start
    ADD CONSTRAINT failed_start_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.flavour_property
    ADD CONSTRAINT flavour_property_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.flavour
    ADD CONSTRAINT flavour_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id);
ALTER TABLE ONLY ostler.group_member
    ADD CONSTRAINT group_member_tenant_id_group_id_fkey FOREIGN KEY (tenant_id, group_id) REFERENCES ostler.user_group(tenant_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.group_member
    ADD CONSTRAINT group_member_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES ostler.users(tenant_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_writer_host_fkey FOREIGN KEY (writer_host) REFERENCES ostler.host(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.home
    ADD CONSTRAINT home_writer_vm_fkey FOREIGN KEY (writer_vm) REFERENCES ostler.vm(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.host_counters
    ADD CONSTRAINT host_counters_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.host_invitation
    ADD CONSTRAINT host_invitation_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.host_property
    ADD CONSTRAINT host_property_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.image_copy
    ADD CONSTRAINT image_copy_disk_image_id_fkey FOREIGN KEY (disk_image_id) REFERENCES ostler.disk_image(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.image_copy
    ADD CONSTRAINT image_copy_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.image_property
    ADD CONSTRAINT image_property_image_id_fkey FOREIGN KEY (image_id) REFERENCES ostler.disk_image(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.image_tag
    ADD CONSTRAINT image_tag_flavour_id_disk_image_id_fkey FOREIGN KEY (flavour_id, disk_image_id) REFERENCES ostler.disk_image(flavour_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.job
    ADD CONSTRAINT job_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.job_item
    ADD CONSTRAINT job_item_job_id_fkey FOREIGN KEY (job_id) REFERENCES ostler.job(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.job_item
    ADD CONSTRAINT job_item_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.job_log
    ADD CONSTRAINT job_log_job_id_fkey FOREIGN KEY (job_id) REFERENCES ostler.job(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.known_address
    ADD CONSTRAINT known_address_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.pairing
    ADD CONSTRAINT pairing_parameters_id_fkey FOREIGN KEY (parameters_id) REFERENCES ostler.user_auth_parameters(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.pairing
    ADD CONSTRAINT pairing_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.policy_rule
    ADD CONSTRAINT policy_rule_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.policy_rule
    ADD CONSTRAINT policy_rule_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.pool_claim
    ADD CONSTRAINT pool_claim_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES ostler.pool(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.pool_claim
    ADD CONSTRAINT pool_claim_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.pool
    ADD CONSTRAINT pool_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id);
ALTER TABLE ONLY ostler.pool
    ADD CONSTRAINT pool_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES ostler.users(id);
ALTER TABLE ONLY ostler.pool
    ADD CONSTRAINT pool_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id);
ALTER TABLE ONLY ostler.roll_out
    ADD CONSTRAINT roll_out_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.roll_out
    ADD CONSTRAINT roll_out_image_id_fkey FOREIGN KEY (image_id) REFERENCES ostler.disk_image(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.roll_out
    ADD CONSTRAINT roll_out_job_id_fkey FOREIGN KEY (job_id) REFERENCES ostler.job(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.roll_out
    ADD CONSTRAINT roll_out_old_image_id_fkey FOREIGN KEY (old_image_id) REFERENCES ostler.disk_image(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.seat
    ADD CONSTRAINT seat_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.session_hook
    ADD CONSTRAINT session_hook_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.spent_credential
    ADD CONSTRAINT spent_credential_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.storage_look
    ADD CONSTRAINT storage_look_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.storage_orphan
    ADD CONSTRAINT storage_orphan_look_id_fkey FOREIGN KEY (look_id) REFERENCES ostler.storage_look(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.ticket
    ADD CONSTRAINT ticket_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.timeline
    ADD CONSTRAINT timeline_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.user_auth_parameters
    ADD CONSTRAINT user_auth_parameters_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.user_group
    ADD CONSTRAINT user_group_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.user_property
    ADD CONSTRAINT user_property_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.user_token
    ADD CONSTRAINT user_token_parameters_id_fkey FOREIGN KEY (parameters_id) REFERENCES ostler.user_auth_parameters(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.user_token
    ADD CONSTRAINT user_token_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.user_token
    ADD CONSTRAINT user_token_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ostler.tenant(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_assigned_user_id_fkey FOREIGN KEY (assigned_user_id) REFERENCES ostler.users(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_dirty_user_id_fkey FOREIGN KEY (dirty_user_id) REFERENCES ostler.users(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_disk_image_id_fkey FOREIGN KEY (disk_image_id) REFERENCES ostler.disk_image(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_flavour_id_fkey FOREIGN KEY (flavour_id) REFERENCES ostler.flavour(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_image_pin_fkey FOREIGN KEY (image_pin) REFERENCES ostler.disk_image(id) ON DELETE SET NULL;
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES ostler.pool(id);
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_prior_state_fkey FOREIGN KEY (prior, state) REFERENCES ostler.vm_edge(prior, state);
ALTER TABLE ONLY ostler.vm_property
    ADD CONSTRAINT vm_property_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.vm_remains
    ADD CONSTRAINT vm_remains_host_id_fkey FOREIGN KEY (host_id) REFERENCES ostler.host(id);
ALTER TABLE ONLY ostler.vm_remains
    ADD CONSTRAINT vm_remains_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id);
ALTER TABLE ONLY ostler.vm_reset
    ADD CONSTRAINT vm_reset_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
ALTER TABLE ONLY ostler.vm
    ADD CONSTRAINT vm_user_id_fkey FOREIGN KEY (user_id) REFERENCES ostler.users(id);
ALTER TABLE ONLY ostler.wish
    ADD CONSTRAINT wish_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES ostler.vm(id) ON DELETE CASCADE;
CREATE POLICY added ON ostler.wish FOR INSERT TO ostler_api WITH CHECK (true);
CREATE POLICY asked ON ostler.wish FOR INSERT TO ostler_l7r WITH CHECK ((kind = ANY (ARRAY['run'::text, 'stop'::text])));
CREATE POLICY not_lasting ON ostler.wish AS RESTRICTIVE FOR INSERT TO ostler_l7r WITH CHECK ((NOT persistent));
CREATE POLICY seen ON ostler.wish FOR SELECT USING (true);
CREATE POLICY waiting ON ostler.wish FOR UPDATE TO ostler_l7r USING ((interactive AND (kind = 'run'::text)));
ALTER TABLE ostler.wish ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA ostler TO ostler_l7r;
GRANT USAGE ON SCHEMA ostler TO ostler_api;
REVOKE ALL ON FUNCTION ostler.purge_log(days integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION ostler.take_invitation(asked bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION ostler.tell(text, integer, text, text, text) FROM PUBLIC;
GRANT SELECT,DELETE ON TABLE ostler.administrator TO ostler_api;
GRANT INSERT(name) ON TABLE ostler.administrator TO ostler_api;
GRANT INSERT(role) ON TABLE ostler.administrator TO ostler_api;
GRANT INSERT(tenant_id) ON TABLE ostler.administrator TO ostler_api;
GRANT UPDATE(blocked) ON TABLE ostler.administrator TO ostler_api;
GRANT SELECT,DELETE ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(administrator_id) ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(kind) ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(name) ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(digest) ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(scope) ON TABLE ostler.administrator_token TO ostler_api;
GRANT INSERT(expires_at) ON TABLE ostler.administrator_token TO ostler_api;
GRANT UPDATE(used_at) ON TABLE ostler.administrator_token TO ostler_api;
GRANT UPDATE(used_from) ON TABLE ostler.administrator_token TO ostler_api;
GRANT SELECT ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(request) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(role) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(tenant_id) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(address) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(action) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(object) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(status) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(said) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(before) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(after) ON TABLE ostler.audit TO ostler_api;
GRANT INSERT(fault) ON TABLE ostler.audit TO ostler_api;
GRANT SELECT(sealing_key) ON TABLE ostler.authority TO ostler_api;
GRANT SELECT ON TABLE ostler.backup TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.backup TO ostler_api;
GRANT SELECT ON TABLE ostler.capture TO ostler_api;
GRANT INSERT(vm_id) ON TABLE ostler.capture TO ostler_api;
GRANT INSERT(flavour_id) ON TABLE ostler.capture TO ostler_api;
GRANT INSERT(version) ON TABLE ostler.capture TO ostler_api;
GRANT INSERT(tag) ON TABLE ostler.capture TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.capture TO ostler_api;
GRANT SELECT ON TABLE ostler.config TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.config TO ostler_api;
GRANT SELECT ON TABLE ostler.console_order TO ostler_l7r;
GRANT INSERT(digest) ON TABLE ostler.console_order TO ostler_api;
GRANT INSERT(vm_id) ON TABLE ostler.console_order TO ostler_api;
GRANT INSERT(epoch) ON TABLE ostler.console_order TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.console_order TO ostler_api;
GRANT INSERT(account) ON TABLE ostler.console_order TO ostler_api;
GRANT INSERT(expires_at) ON TABLE ostler.console_order TO ostler_api;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.disk_image TO ostler_api;
GRANT UPDATE(blocked) ON TABLE ostler.disk_image TO ostler_api;
GRANT SELECT ON TABLE ostler.failed_start TO ostler_api;
GRANT SELECT ON TABLE ostler.flavour TO ostler_l7r;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(home_mb) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(maintenance) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(max_desktops) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(max_per_user) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(net_in_kbit) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(net_out_kbit) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(disk_iops) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(disk_kbytes) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(slo_seconds) ON TABLE ostler.flavour TO ostler_api;
GRANT UPDATE(slo_percent) ON TABLE ostler.flavour TO ostler_api;
GRANT SELECT ON TABLE ostler.flavour_property TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.flavour_property TO ostler_api;
GRANT SELECT ON TABLE ostler.group_member TO ostler_l7r;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.group_member TO ostler_api;
GRANT SELECT ON TABLE ostler.home TO ostler_api;
GRANT INSERT(user_id),UPDATE(user_id) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(flavour_id),UPDATE(flavour_id) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(login),UPDATE(login) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(tenant),UPDATE(tenant) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(flavour),UPDATE(flavour) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(kind),UPDATE(kind) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(path),UPDATE(path) ON TABLE ostler.home TO ostler_api;
GRANT UPDATE(moving_to) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(limit_mb) ON TABLE ostler.home TO ostler_api;
GRANT INSERT(made_at),UPDATE(made_at) ON TABLE ostler.home TO ostler_api;
GRANT UPDATE(trashed_at) ON TABLE ostler.home TO ostler_api;
GRANT UPDATE(purge_at) ON TABLE ostler.home TO ostler_api;
GRANT SELECT ON TABLE ostler.host TO ostler_l7r;
GRANT SELECT,DELETE ON TABLE ostler.host TO ostler_api;
GRANT INSERT(name) ON TABLE ostler.host TO ostler_api;
GRANT INSERT(memory_mb) ON TABLE ostler.host TO ostler_api;
GRANT UPDATE(blocked) ON TABLE ostler.host TO ostler_api;
GRANT UPDATE(door_address) ON TABLE ostler.host TO ostler_l7r;
GRANT INSERT(door_address) ON TABLE ostler.host TO ostler_api;
GRANT UPDATE(door_port) ON TABLE ostler.host TO ostler_l7r;
GRANT UPDATE(maintenance) ON TABLE ostler.host TO ostler_api;
GRANT SELECT,INSERT,UPDATE ON TABLE ostler.host_counters TO ostler_l7r;
GRANT SELECT ON TABLE ostler.host_counters TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.host_property TO ostler_api;
GRANT SELECT ON TABLE ostler.image_copy TO ostler_api;
GRANT SELECT ON TABLE ostler.image_property TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.image_property TO ostler_api;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.image_tag TO ostler_api;
GRANT UPDATE(disk_image_id) ON TABLE ostler.image_tag TO ostler_api;
GRANT SELECT ON TABLE ostler.job TO ostler_api;
GRANT INSERT(kind) ON TABLE ostler.job TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.job TO ostler_api;
GRANT UPDATE(state) ON TABLE ostler.job TO ostler_api;
GRANT INSERT(progress) ON TABLE ostler.job TO ostler_api;
GRANT UPDATE(reason) ON TABLE ostler.job TO ostler_api;
GRANT UPDATE(started_at) ON TABLE ostler.job TO ostler_api;
GRANT SELECT ON TABLE ostler.job_item TO ostler_api;
GRANT INSERT(job_id) ON TABLE ostler.job_item TO ostler_api;
GRANT INSERT(vm_id) ON TABLE ostler.job_item TO ostler_api;
GRANT INSERT(wave) ON TABLE ostler.job_item TO ostler_api;
GRANT SELECT ON TABLE ostler.job_log TO ostler_api;
GRANT INSERT(job_id) ON TABLE ostler.job_log TO ostler_api;
GRANT INSERT(text) ON TABLE ostler.job_log TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.known_address TO ostler_l7r;
GRANT SELECT ON TABLE ostler.notice TO ostler_api;
GRANT SELECT ON TABLE ostler.notice_channel TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.pairing TO ostler_l7r;
GRANT SELECT ON TABLE ostler.policy_rule TO ostler_l7r;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.policy_rule TO ostler_api;
GRANT SELECT ON TABLE ostler.pool TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.pool TO ostler_api;
GRANT UPDATE(maintenance) ON TABLE ostler.pool TO ostler_api;
GRANT SELECT ON TABLE ostler.pool_claim TO ostler_l7r;
GRANT SELECT ON TABLE ostler.pool_claim TO ostler_api;
GRANT INSERT(pool_id) ON TABLE ostler.pool_claim TO ostler_l7r;
GRANT INSERT(user_id) ON TABLE ostler.pool_claim TO ostler_l7r;
GRANT INSERT(expires_at),UPDATE(expires_at) ON TABLE ostler.pool_claim TO ostler_l7r;
GRANT SELECT ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(job_id) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(flavour_id) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(tag) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(image_id) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(old_image_id) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(token) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(settings) ON TABLE ostler.roll_out TO ostler_api;
GRANT INSERT(waves) ON TABLE ostler.roll_out TO ostler_api;
GRANT SELECT,INSERT,UPDATE ON TABLE ostler.seat TO ostler_l7r;
GRANT SELECT ON TABLE ostler.seat TO ostler_api;
GRANT UPDATE(epoch) ON TABLE ostler.seat TO ostler_api;
GRANT UPDATE(state) ON TABLE ostler.seat TO ostler_api;
GRANT UPDATE(door) ON TABLE ostler.seat TO ostler_api;
GRANT UPDATE(lease_until) ON TABLE ostler.seat TO ostler_api;
GRANT UPDATE(ended_by) ON TABLE ostler.seat TO ostler_api;
GRANT SELECT ON TABLE ostler.session_hook TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.sign_in_failure TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.spent_credential TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.spent_state TO ostler_l7r;
GRANT DELETE ON TABLE ostler.ssl_file TO ostler_api;
GRANT SELECT(name),INSERT(name) ON TABLE ostler.ssl_file TO ostler_api;
GRANT SELECT(content),INSERT(content) ON TABLE ostler.ssl_file TO ostler_api;
GRANT INSERT(sealed) ON TABLE ostler.ssl_file TO ostler_api;
GRANT SELECT(set_at) ON TABLE ostler.ssl_file TO ostler_api;
GRANT SELECT ON SEQUENCE ostler.start_count TO ostler_l7r;
GRANT SELECT ON SEQUENCE ostler.start_count TO ostler_api;
GRANT SELECT ON TABLE ostler.storage_look TO ostler_api;
GRANT INSERT(host_id) ON TABLE ostler.storage_look TO ostler_api;
GRANT INSERT(by) ON TABLE ostler.storage_look TO ostler_api;
GRANT SELECT ON TABLE ostler.storage_orphan TO ostler_api;
GRANT UPDATE(purge_asked_at) ON TABLE ostler.storage_orphan TO ostler_api;
GRANT SELECT ON TABLE ostler.tenant TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.tenant TO ostler_api;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.ticket TO ostler_l7r;
GRANT INSERT ON TABLE ostler.ticket TO ostler_api;
GRANT UPDATE(detail) ON TABLE ostler.ticket TO ostler_l7r;
GRANT UPDATE(uses_left) ON TABLE ostler.ticket TO ostler_l7r;
GRANT SELECT,INSERT ON TABLE ostler.timeline TO ostler_l7r;
GRANT SELECT ON TABLE ostler.timeline TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.user_auth_parameters TO ostler_l7r;
GRANT SELECT ON TABLE ostler.user_group TO ostler_l7r;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.user_group TO ostler_api;
GRANT SELECT ON TABLE ostler.user_property TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.user_property TO ostler_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.user_token TO ostler_l7r;
GRANT SELECT ON TABLE ostler.users TO ostler_l7r;
GRANT SELECT,INSERT,DELETE ON TABLE ostler.users TO ostler_api;
GRANT INSERT(login) ON TABLE ostler.users TO ostler_l7r;
GRANT INSERT(password),UPDATE(password) ON TABLE ostler.users TO ostler_l7r;
GRANT UPDATE(password) ON TABLE ostler.users TO ostler_api;
GRANT UPDATE(blocked) ON TABLE ostler.users TO ostler_api;
GRANT INSERT(tenant_id) ON TABLE ostler.users TO ostler_l7r;
GRANT UPDATE(role) ON TABLE ostler.users TO ostler_api;
GRANT UPDATE(maintenance) ON TABLE ostler.users TO ostler_api;
GRANT SELECT ON TABLE ostler.vm TO ostler_l7r;
GRANT SELECT,DELETE ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(name) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(name) ON TABLE ostler.vm TO ostler_l7r;
GRANT INSERT(user_id) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(user_id) ON TABLE ostler.vm TO ostler_l7r;
GRANT INSERT(flavour_id) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(flavour_id) ON TABLE ostler.vm TO ostler_l7r;
GRANT INSERT(address) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(address) ON TABLE ostler.vm TO ostler_l7r;
GRANT UPDATE(blocked) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(di_tag) ON TABLE ostler.vm TO ostler_l7r;
GRANT INSERT(di_tag),UPDATE(di_tag) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(disconnects) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(expire_soft) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(expire_hard) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(expiry_told_at) ON TABLE ostler.vm TO ostler_api;
GRANT INSERT(pool_id) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(assigned_user_id) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(assigned_at) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(maintenance) ON TABLE ostler.vm TO ostler_api;
GRANT UPDATE(image_pin) ON TABLE ostler.vm TO ostler_api;
GRANT USAGE ON SEQUENCE ostler.vm_id_seq TO ostler_api;
GRANT SELECT ON TABLE ostler.vm_log TO ostler_api;
GRANT SELECT ON TABLE ostler.vm_property TO ostler_l7r;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ostler.vm_property TO ostler_api;
GRANT SELECT ON TABLE ostler.vm_remains TO ostler_api;
GRANT SELECT ON TABLE ostler.vm_reset TO ostler_api;
GRANT SELECT,INSERT ON TABLE ostler.wish TO ostler_l7r;
GRANT SELECT,INSERT ON TABLE ostler.wish TO ostler_api;
GRANT UPDATE(expires_at) ON TABLE ostler.wish TO ostler_l7r;
GRANT UPDATE(closed_at) ON TABLE ostler.wish TO ostler_l7r;
GRANT UPDATE(outcome) ON TABLE ostler.wish TO ostler_l7r;
