-- Rules in the database, of one tenant or of all, beside those of rules.d; and who changed what, and when.

-- A form is text as it was loaded, and not jsonb: that would write 1e20 as a whole number past 64 bits, which no rule has.
CREATE TABLE distribution_rules (
    tenant_id  varchar(50) REFERENCES tenants (tenant_id),
    name       varchar(100) NOT NULL,
    version    integer NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    form       json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL
);
COMMENT ON COLUMN distribution_rules.tenant_id IS 'NULL: of all tenants';
COMMENT ON COLUMN distribution_rules.version IS 'of its last change in distribution_rule_changes';
COMMENT ON COLUMN distribution_rules.enabled IS
    'the operator''s switch: a rule is in force where this and its form say so. Loading the rule leaves it as it is';
CREATE UNIQUE INDEX idx_distribution_rules_name ON distribution_rules (coalesce(tenant_id, ''), name);

-- Stays when the rule is removed; one that is loaded under its name later goes on counting.
CREATE TABLE distribution_rule_changes (
    tenant_id  varchar(50) REFERENCES tenants (tenant_id),
    name       varchar(100) NOT NULL,
    version    integer NOT NULL,
    change     text NOT NULL,
    form       json,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,

    CONSTRAINT distribution_rule_changes_change CHECK (change IN ('loaded', 'disabled', 'enabled', 'removed')),
    CONSTRAINT distribution_rule_changes_form CHECK ((form IS NOT NULL) = (change = 'loaded'))
);
CREATE UNIQUE INDEX idx_distribution_rule_changes_version
    ON distribution_rule_changes (coalesce(tenant_id, ''), name, version);

-- Counts the changes: whoever has read the rules at one number and finds another one reads them again.
INSERT INTO dist_state (key, value) VALUES ('rules_version', '0');
