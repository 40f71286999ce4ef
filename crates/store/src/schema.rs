//! The tables as diesel sees them: the same on SQLite and PostgreSQL. Ids are UUIDs as text, times are microseconds since
//! 1970 in UTC, structured values are JSON as text (multi-backend queries know none of the richer types).

diesel::table! {
    meta (key) { key -> Text, value -> Text, }
}

diesel::table! {
    data_keys (id) { id -> Text, sealed -> Text, sealed_by -> Text, }
}

diesel::table! {
    storages (id) {
        id -> Text,
        name -> Text,
        config -> Text,
        secret_sealed -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    workers (id) {
        id -> Text,
        name -> Text,
        version -> Text,
        labels -> Text,
        last_seen_at -> BigInt,
    }
}

diesel::table! {
    datastores (id) {
        id -> Text,
        name -> Text,
        engine -> Text,
        engine_version -> Nullable<Text>,
        host -> Text,
        port -> Integer,
        username -> Nullable<Text>,
        password_sealed -> Nullable<Text>,
        data_directory -> Nullable<Text>,
        detected_data_directory -> Nullable<Text>,
        service -> Text,
        worker -> Nullable<Text>,
        storage_id -> Text,
        status -> Text,
        capabilities -> Text,
        findings -> Text,
        inspected_at -> Nullable<BigInt>,
        server_identity -> Nullable<Text>,
        data_size_bytes -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        log_branch -> Text,
        project_id -> Nullable<Text>,
        restore_guard -> Bool,
        shared_directory -> Nullable<Text>,
        shared_storage_id -> Nullable<Text>,
    }
}

diesel::table! {
    projects (id) { id -> Text, name -> Text, created_at -> BigInt, }
}

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        source -> Text,
        issuer -> Nullable<Text>,
        subject -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        grants -> Text,
        disabled -> Bool,
        totp_sealed -> Nullable<Text>,
        totp_on -> Bool,
        totp_step -> BigInt,
        recovery_codes -> Text,
        setup_digest -> Nullable<Text>,
        setup_until -> Nullable<BigInt>,
        created_at -> BigInt,
        last_sign_in_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        digest -> Text,
        user_id -> Text,
        created_at -> BigInt,
        last_used_at -> BigInt,
        from_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    tokens (id) {
        id -> Text,
        digest -> Text,
        name -> Text,
        kind -> Text,
        role -> Nullable<Text>,
        project_id -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        created_by -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    worker_bindings (worker) { worker -> Text, token_id -> Nullable<Text>, bound_at -> BigInt, }
}

diesel::table! {
    jobs (id) {
        id -> Text,
        kind -> Text,
        exclusive -> Bool,
        visible -> Bool,
        status -> Text,
        attempt -> Integer,
        cancel_requested -> Bool,
        datastore_id -> Nullable<Text>,
        datastore_name -> Nullable<Text>,
        backup_id -> Nullable<Text>,
        backup_number -> Nullable<BigInt>,
        restore_id -> Nullable<Text>,
        pinned_worker -> Nullable<Text>,
        worker -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        input_sealed -> Nullable<Text>,
        progress -> Nullable<Text>,
        steps -> Text,
        error_code -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        result -> Nullable<Text>,
        last_line -> BigInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        awaiting_approval -> Bool,
    }
}

diesel::table! {
    job_log_lines (job_id, sequence) {
        job_id -> Text,
        sequence -> BigInt,
        at -> BigInt,
        level -> Text,
        text -> Text,
    }
}

diesel::table! {
    backups (id) {
        id -> Text,
        number -> BigInt,
        datastore_id -> Text,
        storage_id -> Text,
        parent_id -> Nullable<Text>,
        method -> Text,
        #[sql_name = "type"]
        backup_type -> Text,
        status -> Text,
        trigger -> Text,
        schedule_id -> Nullable<Text>,
        job_id -> Text,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        size_bytes -> Nullable<BigInt>,
        original_size_bytes -> Nullable<BigInt>,
        engine_version -> Nullable<Text>,
        log_position -> Nullable<Text>,
        server_identity -> Nullable<Text>,
        encrypted -> Bool,
        verification -> Text,
        verified_at -> Nullable<BigInt>,
        deleting -> Bool,
        error_code -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        held -> Nullable<Text>,
        log_point -> Nullable<Text>,
        manifest_sha256 -> Nullable<Text>,
        log_ranges -> Text,
    }
}

diesel::table! {
    backup_settings (datastore_id) {
        datastore_id -> Text,
        settings -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    upkeep (datastore_id) {
        datastore_id -> Text,
        retained_at -> Nullable<BigInt>,
        swept_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    log_archivers (datastore_id) {
        datastore_id -> Text,
        worker -> Nullable<Text>,
        suspended_by -> Nullable<Text>,
        epoch -> BigInt,
        lease_until -> Nullable<BigInt>,
        status -> Text,
        error_code -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        incarnation -> Nullable<Text>,
        complete_until -> Nullable<BigInt>,
        is_based -> Bool,
        lag_bytes -> Nullable<BigInt>,
        warnings -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    log_segments (datastore_id, incarnation, name) {
        datastore_id -> Text,
        incarnation -> Text,
        start_position -> BigInt,
        end_position -> BigInt,
        name -> Text,
        storage_id -> Text,
        closed -> Bool,
        first_commit_at -> Nullable<BigInt>,
        last_commit_at -> Nullable<BigInt>,
        gap_before -> Nullable<Text>,
        missing -> Bool,
        deleting -> Bool,
        objects -> Text,
        size_bytes -> BigInt,
        archived_at -> BigInt,
    }
}

diesel::table! {
    restores (id) {
        id -> Text,
        datastore_id -> Text,
        backup_id -> Text,
        backup_number -> BigInt,
        target -> Text,
        restore_configuration -> Bool,
        status -> Text,
        phase -> Text,
        job_id -> Text,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        downtime_seconds -> Nullable<Double>,
        undo_until -> Nullable<BigInt>,
        error_code -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        stop -> Nullable<Text>,
        reached_position -> Nullable<Text>,
        reached_at -> Nullable<BigInt>,
        replaced_branch -> Nullable<Text>,
        approval -> Nullable<Text>,
        approval_open_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    schedules (id) {
        id -> Text,
        datastore_id -> Text,
        method -> Text,
        #[sql_name = "type"]
        backup_type -> Text,
        status -> Text,
        recurrence -> Text,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        handled_until -> BigInt,
        next_run_at -> Nullable<BigInt>,
        wake_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    schedule_runs (schedule_id, due_at) {
        schedule_id -> Text,
        due_at -> BigInt,
        status -> Text,
        reason -> Nullable<Text>,
        attempt -> Integer,
        backup_id -> Nullable<Text>,
        backup_number -> Nullable<BigInt>,
        retry_at -> Nullable<BigInt>,
        open -> Bool,
        since -> Nullable<BigInt>,
        retry_class -> Nullable<Text>,
        recorded_at -> BigInt,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        kind -> Text,
        resource_id -> Text,
        datastore_id -> Nullable<Text>,
        at -> BigInt,
    }
}

diesel::table! {
    audit_events (id) {
        id -> BigInt,
        at -> BigInt,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        actor_name -> Text,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Nullable<Text>,
        subject_name -> Nullable<Text>,
        datastore_id -> Nullable<Text>,
        from_address -> Nullable<Text>,
        outcome -> Text,
        detail -> Nullable<Text>,
        request_id -> Nullable<Text>,
        hash -> Text,
    }
}

diesel::table! {
    idempotency_keys (key) {
        key -> Text,
        request_sealed -> Text,
        answer -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    backup_totals (datastore_id, status, backup_type, method) {
        datastore_id -> Text,
        status -> Text,
        #[sql_name = "type"]
        backup_type -> Text,
        method -> Text,
        backups -> BigInt,
        size_bytes -> BigInt,
    }
}

diesel::table! {
    job_totals (datastore_id, kind) {
        datastore_id -> Text,
        kind -> Text,
        jobs -> BigInt,
    }
}

diesel::joinable!(schedule_runs -> schedules (schedule_id));
diesel::joinable!(log_archivers -> datastores (datastore_id));
diesel::joinable!(upkeep -> datastores (datastore_id));
diesel::joinable!(backup_settings -> datastores (datastore_id));
diesel::allow_tables_to_appear_in_same_query!(schedules, schedule_runs);
diesel::allow_tables_to_appear_in_same_query!(datastores, log_archivers);
diesel::allow_tables_to_appear_in_same_query!(datastores, upkeep, backup_settings, backup_totals);
