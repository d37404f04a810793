-- scope: system
-- E-mail address to namespace and account. No password: that is the account's.
create table if not exists identities (
    email text not null primary key,
    namespace_id uuid not null,
    account text not null,
    created_at timestamptz not null
)
