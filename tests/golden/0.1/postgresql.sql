--
-- PostgreSQL database dump
--


-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

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

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: checkpoint_writes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checkpoint_writes (
    tenant_id uuid NOT NULL,
    thread_id text NOT NULL,
    checkpoint_ns text NOT NULL,
    checkpoint_id uuid NOT NULL,
    task_id text NOT NULL,
    idx integer NOT NULL,
    task_path text NOT NULL,
    channel text NOT NULL,
    value bytea NOT NULL
);


--
-- Name: checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checkpoints (
    tenant_id uuid NOT NULL,
    thread_id text NOT NULL,
    checkpoint_ns text NOT NULL,
    checkpoint_id uuid NOT NULL,
    parent_id uuid,
    run_id text,
    body bytea NOT NULL
);


--
-- Name: chunks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.chunks (
    collection_id uuid NOT NULL,
    document_id text NOT NULL,
    "position" integer NOT NULL,
    text text NOT NULL,
    place json NOT NULL,
    vector bytea NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: collections; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.collections (
    id uuid NOT NULL,
    name text NOT NULL,
    description text,
    embedding_model text NOT NULL,
    dimension integer NOT NULL,
    version bigint NOT NULL,
    document_count integer NOT NULL,
    chunk_count integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: credentials; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.credentials (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    prefix text NOT NULL,
    secret_hash text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    tenant_id uuid NOT NULL
);


--
-- Name: documents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.documents (
    collection_id uuid NOT NULL,
    id text NOT NULL,
    metadata json NOT NULL,
    content_type text NOT NULL,
    characters integer NOT NULL,
    chunk_count integer NOT NULL,
    digest bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: idempotency_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_keys (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    body_hash text NOT NULL,
    answer json NOT NULL,
    expires_at timestamp with time zone NOT NULL
);


--
-- Name: node_cache; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.node_cache (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    output json,
    expires_at double precision NOT NULL
);


--
-- Name: node_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.node_runs (
    run_id uuid NOT NULL,
    key text NOT NULL,
    iteration integer NOT NULL,
    "position" integer NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    attempts smallint NOT NULL,
    input json,
    output json,
    error json,
    usage json,
    taken json,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    tenant_id uuid NOT NULL
);


--
-- Name: run_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.run_events (
    run_id uuid NOT NULL,
    first_seq integer NOT NULL,
    last_seq integer NOT NULL,
    events json NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: run_specs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.run_specs (
    tenant_id uuid NOT NULL,
    spec_hash text NOT NULL,
    spec json NOT NULL
);


--
-- Name: runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.runs (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    workflow_id uuid,
    workflow_version integer,
    workflow_name text NOT NULL,
    spec_hash text NOT NULL,
    engine_format smallint NOT NULL,
    status text NOT NULL,
    inputs json NOT NULL,
    outputs json,
    error json,
    usage json,
    lane text,
    priority smallint NOT NULL,
    tags json,
    parent_run_id uuid,
    parent_key text,
    depth smallint NOT NULL,
    idempotency_key text,
    idempotency_hash text,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    deadline_at timestamp with time zone NOT NULL,
    cancel_requested boolean NOT NULL,
    attempts smallint NOT NULL,
    lease_owner uuid,
    lease_until timestamp with time zone,
    fence integer NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: tenants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    username text NOT NULL,
    created_at timestamp with time zone NOT NULL
);


--
-- Name: workflow_edges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflow_edges (
    workflow_id uuid NOT NULL,
    edge_id text NOT NULL,
    "position" integer NOT NULL,
    source text NOT NULL,
    targets jsonb NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: workflow_nodes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflow_nodes (
    workflow_id uuid NOT NULL,
    node_id text NOT NULL,
    "position" integer NOT NULL,
    type text NOT NULL,
    config jsonb NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: workflow_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflow_versions (
    workflow_id uuid NOT NULL,
    number integer NOT NULL,
    spec json NOT NULL,
    spec_hash text NOT NULL,
    note text,
    created_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    tenant_id uuid NOT NULL
);


--
-- Name: workflows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflows (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    status text NOT NULL,
    tags json NOT NULL,
    version integer NOT NULL,
    valid boolean NOT NULL,
    fork_from_id uuid,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    tenant_id uuid NOT NULL
);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0001');


--
-- Data for Name: checkpoint_writes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: checkpoints; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', '', '1f1e5bc4-4a32-6c43-bfff-1bbbb3d5ad3d', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a31392e3333353236312b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', '', '1f1e5bc4-4a34-6ef1-8000-5aad37f03a10', '1f1e5bc4-4a32-6c43-bfff-1bbbb3d5ad3d', NULL, '\x99019404d920323032362d31312d32315431353a30303a31392e3333363134382b30303a303091ab6272616e63683a746f3a708082a95f5f73746172745f5f02ab6272616e63683a746f3a70029081ab6272616e63683a746f3a70c081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', '', '1f1e5bc4-4a38-6404-8001-74da8d7431be', '1f1e5bc4-4a34-6ef1-8000-5aad37f03a10', NULL, '\x99019404d920323032362d31312d32315431353a30303a31392e3333373530372b30303a303092a24070ad6272616e63683a746f3a7061798083ab6272616e63683a746f3a7003a2407003ad6272616e63683a746f3a706179039082a2407093a163009100ad6272616e63683a746f3a706179c081a17081ab6272616e63683a746f3a70029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6489-735c-a784-aabeb6069adc', '', '1f1e5bc4-5dd7-6bb0-bfff-65ee038b82b8', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a32312e3339353132332b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6489-735c-a784-aabeb6069adc', '', '1f1e5bc4-5ddb-6180-8000-7bd7e9c2be3a', '1f1e5bc4-5dd7-6bb0-bfff-65ee038b82b8', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3339363439372b30303a303091ac6272616e63683a746f3a63308082a95f5f73746172745f5f02ac6272616e63683a746f3a6330029081ac6272616e63683a746f3a6330c081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6489-735c-a784-aabeb6069adc', '', '1f1e5bc4-5f2d-65e0-8001-ffb0fc749502', '1f1e5bc4-5ddb-6180-8000-7bd7e9c2be3a', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3533353035302b30303a303092a3406330ac6272616e63683a746f3a63318083ac6272616e63683a746f3a633003a340633003ac6272616e63683a746f3a6331039082a340633093a163009100ac6272616e63683a746f3a6331c081a2633081ac6272616e63683a746f3a6330029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6489-735c-a784-aabeb6069adc', '', '1f1e5bc4-5fa1-6dce-8002-2e9324c8e50a', '1f1e5bc4-5f2d-65e0-8001-ffb0fc749502', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3538323737322b30303a303092a3406331ac6272616e63683a746f3a63328083ac6272616e63683a746f3a633104a340633104ac6272616e63683a746f3a6332049082a340633193a163009101ac6272616e63683a746f3a6332c081a2633181ac6272616e63683a746f3a6331039083a6736f75726365a46c6f6f70a47374657002a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-65fe-76d8-90ac-53e3db49b736', '', '1f1e5bc4-60f6-6ebb-bfff-9a80862ee94a', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a32312e3732323437382b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-65fe-76d8-90ac-53e3db49b736', '', '1f1e5bc4-60f8-6639-8000-8fe9738d3fcc', '1f1e5bc4-60f6-6ebb-bfff-9a80862ee94a', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3732333038302b30303a303091ab6272616e63683a746f3a628082a95f5f73746172745f5f02ab6272616e63683a746f3a62029081ab6272616e63683a746f3a62c081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-65fe-76d8-90ac-53e3db49b736', '', '1f1e5bc4-60fa-690e-8001-fc2ea417b2f8', '1f1e5bc4-60f8-6639-8000-8fe9738d3fcc', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3732333937322b30303a303093a24062ab6272616e63683a746f3a6cab6272616e63683a746f3a728084ab6272616e63683a746f3a6203a2406203ab6272616e63683a746f3a6c03ab6272616e63683a746f3a72039083a2406293a16300920001ab6272616e63683a746f3a6cc0ab6272616e63683a746f3a72c081a16281ab6272616e63683a746f3a62029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6674-73b8-9b94-fc32013934a9', '', '1f1e5bc4-6230-66f1-bfff-02ae0c39e987', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a32312e3835303839332b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6674-73b8-9b94-fc32013934a9', '', '1f1e5bc4-6232-6297-8000-d472e0359200', '1f1e5bc4-6230-66f1-bfff-02ae0c39e987', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3835313630302b30303a303091ab6272616e63683a746f3a6e8082a95f5f73746172745f5f02ab6272616e63683a746f3a6e029081ab6272616e63683a746f3a6ec081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6674-73b8-9b94-fc32013934a9', '', '1f1e5bc4-6257-6e56-8001-51831bf78639', '1f1e5bc4-6232-6297-8000-d472e0359200', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3836373034372b30303a303094a2406ea24077ab6272616e63683a746f3a6ea66c6f6f703a318084ab6272616e63683a746f3a6e03a2406e03a2407703a66c6f6f703a31039084ab6272616e63683a746f3a6ec0a2406e93a16c0190a2407793a1700190a66c6f6f703a310181a16e81ab6272616e63683a746f3a6e029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6674-73b8-9b94-fc32013934a9', '', '1f1e5bc4-625b-6374-8002-eba473d8f60b', '1f1e5bc4-6257-6e56-8001-51831bf78639', NULL, '\x99019404d920323032362d31312d32315431353a30303a32312e3836383431322b30303a303094a2406ea24077ab6272616e63683a746f3a6ea66c6f6f703a318084ab6272616e63683a746f3a6e04a2406e04a2407704a66c6f6f703a31049084ab6272616e63683a746f3a6ec0a2406e93a16c0290a2407793a1700290a66c6f6f703a310281a16e81ab6272616e63683a746f3a6e039083a6736f75726365a46c6f6f70a47374657002a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6715-735a-9e3a-3cf49a29d93b', '', '1f1e5bc4-643c-612a-bfff-8dc5e22d6d1b', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a32322e3036353336392b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6715-735a-9e3a-3cf49a29d93b', '', '1f1e5bc4-643e-66ee-8000-a56c306b71bc', '1f1e5bc4-643c-612a-bfff-8dc5e22d6d1b', NULL, '\x99019404d920323032362d31312d32315431353a30303a32322e3036363333372b30303a303091ab6272616e63683a746f3a6d8082a95f5f73746172745f5f02ab6272616e63683a746f3a6d029081ab6272616e63683a746f3a6dc081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6715-735a-9e3a-3cf49a29d93b', '', '1f1e5bc4-6441-6c62-8001-cd075a1328bd', '1f1e5bc4-643e-66ee-8000-a56c306b71bc', NULL, '\x99019404d920323032362d31312d32315431353a30303a32322e3036373730332b30303a303092a2406dae6272616e63683a746f3a656163688083ab6272616e63683a746f3a6d03a2406d03ae6272616e63683a746f3a65616368039082a2406d93a163009100ae6272616e63683a746f3a65616368c081a16d81ab6272616e63683a746f3a6d029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-6715-735a-9e3a-3cf49a29d93b', '', '1f1e5bc4-6444-689f-8002-4ce7d56bd45e', '1f1e5bc4-6441-6c62-8001-cd075a1328bd', NULL, '\x99019404d920323032362d31312d32315431353a30303a32322e3036383833382b30303a303091ae5f5f70726567656c5f7461736b738082ae6272616e63683a746f3a6561636804ae5f5f70726567656c5f7461736b73049081ae5f5f70726567656c5f7461736b7391c7182893a965616368236c616e6581a9697465726174696f6e00c081a46561636881ae6272616e63683a746f3a65616368039083a6736f75726365a46c6f6f70a47374657002a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-67fd-763d-9b14-17a0f86905db', '', '1f1e5bc4-662d-6e69-bfff-5ccbabe4a1c7', NULL, NULL, '\x99009404d920323032362d31312d32315431353a30303a32322e3236393238332b30303a303091a95f5f73746172745f5f8081a95f5f73746172745f5f019081a95f5f73746172745f5f8081a95f5f696e7075745f5f809083a6736f75726365a5696e707574a473746570ffa7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-67fd-763d-9b14-17a0f86905db', '', '1f1e5bc4-6630-6302-8000-149f9e4119aa', '1f1e5bc4-662d-6e69-bfff-5ccbabe4a1c7', NULL, '\x99019404d920323032362d31312d32315431353a30303a32322e3237303232312b30303a303091ab6272616e63683a746f3a648082a95f5f73746172745f5f02ab6272616e63683a746f3a64029081ab6272616e63683a746f3a64c081a95f5f73746172745f5f81a95f5f73746172745f5f019083a6736f75726365a46c6f6f70a47374657000a7706172656e74738000');
INSERT INTO public.checkpoints VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '01a1fe9f-67fd-763d-9b14-17a0f86905db', '', '1f1e5bc4-664d-6a2e-8001-ccc837c33418', '1f1e5bc4-6630-6302-8000-149f9e4119aa', NULL, '\x99019404d920323032362d31312d32315431353a30303a32322e3238323237352b30303a303094a24064a440776179ab6272616e63683a746f3a78ab6272616e63683a746f3a798085ab6272616e63683a746f3a6403a2406403a44077617903ab6272616e63683a746f3a7803ab6272616e63683a746f3a79039084a2406493a163009102a44077617993a163009100ab6272616e63683a746f3a78c0ab6272616e63683a746f3a79c081a16481ab6272616e63683a746f3a64029083a6736f75726365a46c6f6f70a47374657001a7706172656e74738000');


--
-- Data for Name: chunks; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: collections; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: credentials; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: documents; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: idempotency_keys; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: node_cache; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: node_runs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.node_runs VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 'p', 0, 1, 'probe', 'completed', 1, NULL, '1', NULL, NULL, '[[0],null]', '2026-11-21 15:00:19.336978+00', '2026-11-21 15:00:19.337101+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 'pay', 0, 2, 'once_probe', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:19.346451+00', '2026-11-21 15:00:19.535892+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-63df-7703-a263-19b085503028', 'f1', 0, 1, 'probe', 'completed', 1, NULL, '1', NULL, NULL, '[[0],null]', '2026-11-21 15:00:21.176299+00', '2026-11-21 15:00:21.176371+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-63df-7703-a263-19b085503028', 'f2', 0, 2, 'transform', 'completed', 1, '{"value":2}', '2', NULL, NULL, '[[],null]', '2026-11-21 15:00:21.176394+00', '2026-11-21 15:00:21.176478+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 'c0', 0, 1, 'probe', 'completed', 1, NULL, '0', NULL, NULL, '[[0],null]', '2026-11-21 15:00:21.397389+00', '2026-11-21 15:00:21.497221+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 'c1', 0, 2, 'probe', 'completed', 1, NULL, '1', NULL, NULL, '[[1],null]', '2026-11-21 15:00:21.535966+00', '2026-11-21 15:00:21.546771+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 'b', 0, 1, 'probe', 'completed', 1, NULL, '1', NULL, NULL, '[[0,1],null]', '2026-11-21 15:00:21.723623+00', '2026-11-21 15:00:21.723705+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 'l', 0, 2, 'probe', 'completed', 1, NULL, '2', NULL, NULL, '[[2],null]', '2026-11-21 15:00:21.72516+00', '2026-11-21 15:00:21.725238+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'n', 0, 1, 'probe', 'completed', 1, '{"value":1}', '1', NULL, NULL, '[[0],null]', '2026-11-21 15:00:21.852162+00', '2026-11-21 15:00:21.865957+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'w', 0, 2, 'probe', 'completed', 1, '{"wait_for":null}', NULL, NULL, NULL, '[[],1]', '2026-11-21 15:00:21.866034+00', '2026-11-21 15:00:21.866221+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'n', 1, 3, 'probe', 'completed', 1, '{"value":2}', '2', NULL, NULL, '[[0],null]', '2026-11-21 15:00:21.867826+00', '2026-11-21 15:00:21.867938+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'w', 1, 4, 'probe', 'completed', 1, '{"wait_for":null}', NULL, NULL, NULL, '[[],1]', '2026-11-21 15:00:21.867965+00', '2026-11-21 15:00:21.868065+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'n', 2, 5, 'probe', 'completed', 1, '{"value":3}', '3', NULL, NULL, '[[0],null]', '2026-11-21 15:00:21.868993+00', '2026-11-21 15:00:21.869073+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 'm', 0, 1, 'probe', 'completed', 1, NULL, '[0,1,2,3]', NULL, NULL, '[[0],null]', '2026-11-21 15:00:22.067133+00', '2026-11-21 15:00:22.067264+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 'each', 0, 2, 'map', 'running', 0, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:22.068391+00', NULL, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 'each[0]', 0, 3, 'probe', 'completed', 1, '{"value":0,"wait_for":null}', '0', NULL, NULL, '[[],null]', '2026-11-21 15:00:22.069616+00', '2026-11-21 15:00:22.089849+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 'each[1]', 0, 4, 'probe', 'completed', 1, '{"value":1,"wait_for":null}', '1', NULL, NULL, '[[],null]', '2026-11-21 15:00:22.089987+00', '2026-11-21 15:00:22.090142+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 'd', 0, 1, 'probe', 'completed', 1, NULL, '1', NULL, NULL, '[[2],null]', '2026-11-21 15:00:22.274557+00', '2026-11-21 15:00:22.274658+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 'way', 0, 2, 'router', 'completed', 1, '{"routes":[{"when":true,"to":"x"}],"default":"y"}', '{"route":"x","reason":"its condition is true","routes":["x"]}', NULL, NULL, '[[0],null]', '2026-11-21 15:00:22.274687+00', '2026-11-21 15:00:22.274924+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 'y', 0, 4, 'probe', 'skipped', 0, NULL, NULL, NULL, NULL, '[[],null]', NULL, NULL, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-68a4-7552-af78-4154a5b8e7d9', 'call', 0, 1, 'subworkflow', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:22.354091+00', '2026-11-21 15:00:22.44301+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 'w', 2, 6, 'probe', 'cancelled', 1, '{"wait_for":"loop"}', NULL, NULL, NULL, NULL, '2026-11-21 15:00:21.869097+00', '2026-11-21 15:00:22.442795+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 'each[2]', 0, 5, 'probe', 'cancelled', 1, '{"value":2,"wait_for":"map"}', NULL, NULL, NULL, NULL, '2026-11-21 15:00:22.090196+00', '2026-11-21 15:00:22.442852+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 'c2', 0, 3, 'probe', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:21.583538+00', '2026-11-21 15:00:22.442887+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 'x', 0, 3, 'probe', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:22.290449+00', '2026-11-21 15:00:22.443388+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 'r', 0, 3, 'probe', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:21.725297+00', '2026-11-21 15:00:22.443433+00', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.node_runs VALUES ('01a1fe9f-68ff-71a7-9452-058e6867cf11', 'i', 0, 1, 'probe', 'cancelled', 1, NULL, NULL, NULL, NULL, NULL, '2026-11-21 15:00:22.427105+00', '2026-11-21 15:00:22.442956+00', '01a1fe9f-0967-725f-be82-28354efe719b');


--
-- Data for Name: run_events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.run_events VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 1, 1, '[["run.queued",null,1795273219051900,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 2, 2, '[["run.started",null,1795273219282746,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 3, 5, '[["node.started","p",1795273219337001,{"type":"probe"}],["node.completed","p",1795273219337126,{"attempt":1,"duration_ms":0.123}],["node.started","pay",1795273219346471,{"type":"once_probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 6, 6, '[["run.resumed",null,1795273220670393,{"attempt":2}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', 7, 7, '[["run.waiting",null,1795273220848141,{"error":{"code":"UNKNOWN_OUTCOME","message":"The process died while node pay was under way; its effect cannot be repeated blindly.","node_id":"pay","attempt":1,"hint":"Find out whether the effect happened, then resolve the run.","details":{}},"reason":"needs_attention"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-63df-7703-a263-19b085503028', 1, 1, '[["run.queued",null,1795273221087441,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-63df-7703-a263-19b085503028', 2, 7, '[["run.started",null,1795273221176180,null],["node.started","f1",1795273221176310,{"type":"probe"}],["node.completed","f1",1795273221176385,{"attempt":1,"duration_ms":0.072}],["node.started","f2",1795273221176398,{"type":"transform"}],["node.completed","f2",1795273221176488,{"attempt":1,"duration_ms":0.084}],["run.succeeded",null,1795273221176567,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 1, 1, '[["run.queued",null,1795273221257408,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 2, 2, '[["run.started",null,1795273221309850,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 3, 3, '[["node.started","c0",1795273221397410,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 4, 4, '[["node.completed","c0",1795273221497271,{"attempt":1,"duration_ms":99.832}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 5, 5, '[["node.started","c1",1795273221535986,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 6, 6, '[["node.completed","c1",1795273221546828,{"attempt":1,"duration_ms":10.805}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', 7, 7, '[["node.started","c2",1795273221583553,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 1, 1, '[["run.queued",null,1795273221630974,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 2, 2, '[["run.started",null,1795273221652856,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 1, 1, '[["run.queued",null,1795273221748475,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', 3, 7, '[["node.started","b",1795273221723637,{"type":"probe"}],["node.completed","b",1795273221723720,{"attempt":1,"duration_ms":0.082}],["node.started","l",1795273221725170,{"type":"probe"}],["node.completed","l",1795273221725252,{"attempt":1,"duration_ms":0.078}],["node.started","r",1795273221725301,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 2, 2, '[["run.started",null,1795273221810681,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 1, 1, '[["run.queued",null,1795273221909072,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', 3, 13, '[["node.started","n",1795273221852179,{"type":"probe"}],["node.completed","n",1795273221866004,{"attempt":1,"duration_ms":13.795}],["node.started","w",1795273221866041,{"type":"probe"}],["node.completed","w",1795273221866238,{"attempt":1,"duration_ms":0.187}],["node.started","n",1795273221867838,{"type":"probe","iteration":1}],["node.completed","n",1795273221867951,{"attempt":1,"duration_ms":0.112,"iteration":1}],["node.started","w",1795273221867970,{"type":"probe","iteration":1}],["node.completed","w",1795273221868076,{"attempt":1,"duration_ms":0.1,"iteration":1}],["node.started","n",1795273221869001,{"type":"probe","iteration":2}],["node.completed","n",1795273221869086,{"attempt":1,"duration_ms":0.08,"iteration":2}],["node.started","w",1795273221869101,{"type":"probe","iteration":2}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 2, 2, '[["run.started",null,1795273221974667,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 1, 1, '[["run.queued",null,1795273222141602,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', 3, 10, '[["node.started","m",1795273222067152,{"type":"probe"}],["node.completed","m",1795273222067290,{"attempt":1,"duration_ms":0.131}],["node.started","each",1795273222068404,{"type":"map"}],["node.started","each[0]",1795273222069629,{"type":"probe"}],["node.completed","each[0]",1795273222089906,{"attempt":1,"duration_ms":20.233}],["node.started","each[1]",1795273222089998,{"type":"probe"}],["node.completed","each[1]",1795273222090160,{"attempt":1,"duration_ms":0.155}],["node.started","each[2]",1795273222090201,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 2, 2, '[["run.started",null,1795273222190683,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-68a4-7552-af78-4154a5b8e7d9', 1, 1, '[["run.queued",null,1795273222308124,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', 3, 8, '[["node.started","d",1795273222274575,{"type":"probe"}],["node.completed","d",1795273222274676,{"attempt":1,"duration_ms":0.101}],["node.started","way",1795273222274690,{"type":"router"}],["node.completed","way",1795273222274938,{"attempt":1,"duration_ms":0.237}],["node.started","x",1795273222290467,{"type":"probe"}],["node.skipped","y",1795273222290604,{"reason":"branch"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-68a4-7552-af78-4154a5b8e7d9', 2, 3, '[["run.started",null,1795273222353725,null],["node.started","call",1795273222354108,{"type":"subworkflow"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-68ff-71a7-9452-058e6867cf11', 1, 1, '[["run.queued",null,1795273222399089,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-691c-75d4-a6f3-d339c6ace7be', 1, 1, '[["run.queued",null,1795273222428892,null]]', '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.run_events VALUES ('01a1fe9f-68ff-71a7-9452-058e6867cf11', 2, 3, '[["run.started",null,1795273222426953,null],["node.started","i",1795273222427118,{"type":"probe"}]]', '01a1fe9f-0967-725f-be82-28354efe719b');


--
-- Data for Name: run_specs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', 'eef4ca29d691f134378c538ebdf12374170fc938520b03b2cd330c2df1d58cfe', '{"spec_version":"1","name":"test","start_node":"p","nodes":[{"id":"p","type":"probe","config":{"value":1}},{"id":"pay","type":"once_probe","config":{"wait_for":"once"}},{"id":"q","type":"transform","config":{"value":2}}],"edges":[{"from":"p","to":"pay"},{"from":"pay","to":"q"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '480042a64f8ea8a8a1c55b979924757daf3f7d6dc927285f9e8f2fa9d55f0e48', '{"spec_version":"1","name":"test","start_node":"f1","nodes":[{"id":"f1","type":"probe","config":{"value":1}},{"id":"f2","type":"transform","config":{"value":"{{ nodes.f1 + 1 }}"}}],"edges":[{"from":"f1","to":"f2"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', 'e2f12b265593365ba7accdc8d97bebf4f211020348723ea883c41e6f75b7ac15', '{"spec_version":"1","name":"test","start_node":"c0","nodes":[{"id":"c0","type":"probe","config":{"value":0,"wait_for":null},"effect":"keyed"},{"id":"c1","type":"probe","config":{"value":1,"wait_for":null},"effect":"keyed"},{"id":"c2","type":"probe","config":{"value":2,"wait_for":"chain"},"effect":"keyed"},{"id":"c3","type":"probe","config":{"value":3,"wait_for":null},"effect":"keyed"}],"edges":[{"from":"c0","to":"c1"},{"from":"c1","to":"c2"},{"from":"c2","to":"c3"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '17d379e60aa32a6c07d1039ed67a5e8b9ed4471b384d30cf3a80521bc37228b9', '{"spec_version":"1","name":"test","start_node":"b","nodes":[{"id":"b","type":"probe","config":{"value":1}},{"id":"l","type":"probe","config":{"value":2}},{"id":"r","type":"probe","config":{"wait_for":"branch","value":3}},{"id":"j","type":"transform","config":{"value":"{{ nodes.l + nodes.r }}"}}],"edges":[{"from":"b","to":["l","r"]},{"from":"l","to":"j"},{"from":"r","to":"j"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '6368408331ecb55c5723785f0b7a2c9ccf499d3ec3fc1527cc2e97125511a471', '{"spec_version":"1","name":"test","start_node":"n","nodes":[{"id":"n","type":"probe","config":{"value":"{{ (nodes.n or 0) + 1 }}"}},{"id":"w","type":"probe","config":{"wait_for":"{{ ''loop'' if nodes.n == 3 else none }}"}},{"id":"o","type":"transform","config":{"value":"{{ nodes.n }}"}}],"edges":[{"from":"n","to":"w"},{"from":"w","to":"n","condition":"nodes.n < 3","loop":{"max_iterations":9}},{"from":"w","to":"o"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '82f5e9ccaef0e757551554db1c1c2cc2848ab7516816468dcf600077034132e1', '{"spec_version":"1","name":"test","start_node":"m","nodes":[{"id":"m","type":"probe","config":{"value":[0,1,2,3]}},{"id":"each","type":"map","config":{"items":"{{ nodes.m }}","node":{"type":"probe","config":{"value":"{{ item }}","wait_for":"{{ ''map'' if item == 2 else none }}"}},"max_concurrency":1}},{"id":"z","type":"transform","config":{"value":"{{ nodes.each.results }}"}}],"edges":[{"from":"m","to":"each"},{"from":"each","to":"z"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', 'fb8683fce21bff5212bda1851c92c4e1ba0f468d46540aab12da1ad77539a9b3', '{"spec_version":"1","name":"test","start_node":"d","nodes":[{"id":"d","type":"probe","config":{"value":1}},{"id":"way","type":"router","config":{"routes":[{"when":"nodes.d == 1","to":"x"}],"default":"y"}},{"id":"x","type":"probe","config":{"wait_for":"dead","value":"x"}},{"id":"y","type":"probe","config":{"value":"y"}},{"id":"k","type":"transform","config":{"value":"{{ [nodes.x, nodes.y] }}"}}],"edges":[{"from":"d","to":"way"},{"from":"x","to":"k"},{"from":"y","to":"k"}]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', 'b1b3ffc6c69588621333a03d1e7e5db8145ec09fe7233230dd047c3d9f4e6559', '{"spec_version":"1","name":"test","start_node":"call","nodes":[{"id":"call","type":"subworkflow","config":{"workflow":"child","version":1,"inputs":{}}}],"edges":[]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '6709a64c7980371acbe125e8d176e17bc81c6d3f2b2953a5ba58ae6ea63507c0', '{"spec_version":"1","name":"test","start_node":"i","nodes":[{"id":"i","type":"probe","config":{"wait_for":"child","value":"from child"}}],"edges":[]}');
INSERT INTO public.run_specs VALUES ('01a1fe9f-0967-725f-be82-28354efe719b', '860ee7e7694a9a254d471f21d021b1c3d9b97c8e318fdd08e4161300ad23c292', '{"spec_version":"1","name":"test","start_node":"u","nodes":[{"id":"u","type":"probe","config":{"value":"queued"}}],"edges":[]}');


--
-- Data for Name: runs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.runs VALUES ('01a1fe9f-5beb-72f7-9ba3-4ea31ae28301', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', 'eef4ca29d691f134378c538ebdf12374170fc938520b03b2cd330c2df1d58cfe', 1, 'needs_attention', '{}', NULL, '{"code":"UNKNOWN_OUTCOME","message":"The process died while node pay was under way; its effect cannot be repeated blindly.","node_id":"pay","attempt":1,"hint":"Find out whether the effect happened, then resolve the run.","details":{}}', NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:19.0519+00', '2026-11-21 15:00:19.282699+00', NULL, '2026-11-22 15:00:19.0519+00', false, 2, '01a1fe9f-5e34-7365-a295-671851b31972', '2026-11-21 15:00:30.583455+00', 2, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-63df-7703-a263-19b085503028', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', '480042a64f8ea8a8a1c55b979924757daf3f7d6dc927285f9e8f2fa9d55f0e48', 1, 'succeeded', '{}', '2', NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:21.087441+00', '2026-11-21 15:00:21.176155+00', '2026-11-21 15:00:21.176558+00', '2026-11-22 15:00:21.087441+00', false, 1, '01a1fe9f-5e34-7365-a295-671851b31972', '2026-11-21 15:00:31.087483+00', 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-6489-735c-a784-aabeb6069adc', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', 'e2f12b265593365ba7accdc8d97bebf4f211020348723ea883c41e6f75b7ac15', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:21.257408+00', '2026-11-21 15:00:21.307863+00', NULL, '2026-11-22 15:00:21.257408+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-65fe-76d8-90ac-53e3db49b736', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', '17d379e60aa32a6c07d1039ed67a5e8b9ed4471b384d30cf3a80521bc37228b9', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:21.630974+00', '2026-11-21 15:00:21.65282+00', NULL, '2026-11-22 15:00:21.630974+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-6674-73b8-9b94-fc32013934a9', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', '6368408331ecb55c5723785f0b7a2c9ccf499d3ec3fc1527cc2e97125511a471', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:21.748475+00', '2026-11-21 15:00:21.810643+00', NULL, '2026-11-22 15:00:21.748475+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-6715-735a-9e3a-3cf49a29d93b', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', '82f5e9ccaef0e757551554db1c1c2cc2848ab7516816468dcf600077034132e1', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:21.909072+00', '2026-11-21 15:00:21.974632+00', NULL, '2026-11-22 15:00:21.909072+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-67fd-763d-9b14-17a0f86905db', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', 'fb8683fce21bff5212bda1851c92c4e1ba0f468d46540aab12da1ad77539a9b3', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:22.141602+00', '2026-11-21 15:00:22.190632+00', NULL, '2026-11-22 15:00:22.141602+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-68a4-7552-af78-4154a5b8e7d9', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', 'b1b3ffc6c69588621333a03d1e7e5db8145ec09fe7233230dd047c3d9f4e6559', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:22.308124+00', '2026-11-21 15:00:22.353679+00', NULL, '2026-11-22 15:00:22.308124+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-691c-75d4-a6f3-d339c6ace7be', '01a1fe9f-0967-725f-be82-28360ba44b26', NULL, NULL, 'test', '860ee7e7694a9a254d471f21d021b1c3d9b97c8e318fdd08e4161300ad23c292', 1, 'queued', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, '2026-11-21 15:00:22.428892+00', NULL, NULL, '2026-11-22 15:00:22.428892+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');
INSERT INTO public.runs VALUES ('01a1fe9f-68ff-71a7-9452-058e6867cf11', '01a1fe9f-0967-725f-be82-28360ba44b26', '01a1fe9f-68f9-76da-9d82-058aba89800f', 1, 'test', '6709a64c7980371acbe125e8d176e17bc81c6d3f2b2953a5ba58ae6ea63507c0', 1, 'running', '{}', NULL, NULL, NULL, NULL, 0, NULL, '01a1fe9f-68a4-7552-af78-4154a5b8e7d9', 'call:0', 1, NULL, NULL, '2026-11-21 15:00:22.399089+00', '2026-11-21 15:00:22.426922+00', NULL, '2026-11-22 15:00:22.399089+00', false, 1, NULL, NULL, 1, '01a1fe9f-0967-725f-be82-28354efe719b');


--
-- Data for Name: tenants; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: workflow_edges; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: workflow_nodes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: workflow_versions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: workflows; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: checkpoint_writes pk_checkpoint_writes; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoint_writes
    ADD CONSTRAINT pk_checkpoint_writes PRIMARY KEY (tenant_id, thread_id, checkpoint_ns, checkpoint_id, task_id, idx);


--
-- Name: checkpoints pk_checkpoints; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT pk_checkpoints PRIMARY KEY (tenant_id, thread_id, checkpoint_ns, checkpoint_id);


--
-- Name: chunks pk_chunks; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT pk_chunks PRIMARY KEY (collection_id, document_id, "position");


--
-- Name: collections pk_collections; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT pk_collections PRIMARY KEY (id);


--
-- Name: credentials pk_credentials; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT pk_credentials PRIMARY KEY (id);


--
-- Name: documents pk_documents; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT pk_documents PRIMARY KEY (collection_id, id);


--
-- Name: idempotency_keys pk_idempotency_keys; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant_id, key);


--
-- Name: node_cache pk_node_cache; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.node_cache
    ADD CONSTRAINT pk_node_cache PRIMARY KEY (tenant_id, key);


--
-- Name: node_runs pk_node_runs; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.node_runs
    ADD CONSTRAINT pk_node_runs PRIMARY KEY (run_id, key, iteration);


--
-- Name: run_events pk_run_events; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT pk_run_events PRIMARY KEY (run_id, first_seq);


--
-- Name: run_specs pk_run_specs; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.run_specs
    ADD CONSTRAINT pk_run_specs PRIMARY KEY (tenant_id, spec_hash);


--
-- Name: runs pk_runs; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.runs
    ADD CONSTRAINT pk_runs PRIMARY KEY (id);


--
-- Name: tenants pk_tenants; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT pk_tenants PRIMARY KEY (id);


--
-- Name: users pk_users; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);


--
-- Name: workflow_edges pk_workflow_edges; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_edges
    ADD CONSTRAINT pk_workflow_edges PRIMARY KEY (workflow_id, edge_id);


--
-- Name: workflow_nodes pk_workflow_nodes; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_nodes
    ADD CONSTRAINT pk_workflow_nodes PRIMARY KEY (workflow_id, node_id);


--
-- Name: workflow_versions pk_workflow_versions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT pk_workflow_versions PRIMARY KEY (workflow_id, number);


--
-- Name: workflows pk_workflows; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT pk_workflows PRIMARY KEY (id);


--
-- Name: collections uq_collections_tenant_id_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.collections
    ADD CONSTRAINT uq_collections_tenant_id_name UNIQUE (tenant_id, name);


--
-- Name: credentials uq_credentials_secret_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT uq_credentials_secret_hash UNIQUE (secret_hash);


--
-- Name: tenants uq_tenants_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT uq_tenants_name UNIQUE (name);


--
-- Name: users uq_users_username; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_username UNIQUE (username);


--
-- Name: workflow_edges uq_workflow_edges_workflow_id_position; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_edges
    ADD CONSTRAINT uq_workflow_edges_workflow_id_position UNIQUE (workflow_id, "position");


--
-- Name: ix_checkpoints_run_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_checkpoints_run_id ON public.checkpoints USING btree (tenant_id, run_id) WHERE (run_id IS NOT NULL);


--
-- Name: ix_credentials_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credentials_user_id ON public.credentials USING btree (user_id);


--
-- Name: ix_runs_live; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_runs_live ON public.runs USING btree (status, lease_until) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));


--
-- Name: ix_runs_tenant_id_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_runs_tenant_id_id ON public.runs USING btree (tenant_id, id);


--
-- Name: ix_runs_tenant_id_workflow_id_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_runs_tenant_id_workflow_id_id ON public.runs USING btree (tenant_id, workflow_id, id);


--
-- Name: ix_users_tenant_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_users_tenant_id ON public.users USING btree (tenant_id);


--
-- Name: ix_workflows_tenant_id_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_workflows_tenant_id_id ON public.workflows USING btree (tenant_id, id);


--
-- Name: ix_workflows_tenant_id_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_workflows_tenant_id_name ON public.workflows USING btree (tenant_id, name);


--
-- Name: uq_runs_idempotency; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_runs_idempotency ON public.runs USING btree (tenant_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);


--
-- Name: uq_runs_parent; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_runs_parent ON public.runs USING btree (parent_run_id, parent_key) WHERE (parent_run_id IS NOT NULL);


--
-- Name: chunks fk_chunks_collection_id_documents; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT fk_chunks_collection_id_documents FOREIGN KEY (collection_id, document_id) REFERENCES public.documents(collection_id, id) ON DELETE CASCADE;


--
-- Name: credentials fk_credentials_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: documents fk_documents_collection_id_collections; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT fk_documents_collection_id_collections FOREIGN KEY (collection_id) REFERENCES public.collections(id) ON DELETE CASCADE;


--
-- Name: node_runs fk_node_runs_run_id_runs; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.node_runs
    ADD CONSTRAINT fk_node_runs_run_id_runs FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;


--
-- Name: run_events fk_run_events_run_id_runs; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT fk_run_events_run_id_runs FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;


--
-- Name: users fk_users_tenant_id_tenants; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT fk_users_tenant_id_tenants FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;


--
-- Name: workflow_edges fk_workflow_edges_workflow_id_workflows; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_edges
    ADD CONSTRAINT fk_workflow_edges_workflow_id_workflows FOREIGN KEY (workflow_id) REFERENCES public.workflows(id) ON DELETE CASCADE;


--
-- Name: workflow_nodes fk_workflow_nodes_workflow_id_workflows; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_nodes
    ADD CONSTRAINT fk_workflow_nodes_workflow_id_workflows FOREIGN KEY (workflow_id) REFERENCES public.workflows(id) ON DELETE CASCADE;


--
-- Name: workflow_versions fk_workflow_versions_workflow_id_workflows; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT fk_workflow_versions_workflow_id_workflows FOREIGN KEY (workflow_id) REFERENCES public.workflows(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


