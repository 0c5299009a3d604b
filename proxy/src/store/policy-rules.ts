import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { addressRanges } from '../model/address-ranges.ts'
import type { PolicyRule, PolicySays } from '../model/policy.ts'
import { addNamed } from './added.ts'
import type { Db } from './open.ts'

/** Everything about the rules, in their order. */
function ruleRows(db: Db) {
  return db
    .selectFrom('policy_rule as rule')
    .leftJoin('tenant', 'tenant.id', 'tenant_id')
    .leftJoin('flavour', 'flavour.id', 'flavour_id')
    .selectAll('rule')
    .select(['tenant.name as tenant', 'flavour.name as flavour'])
    .orderBy('position')
    .orderBy('rule.id')
}

/** The rules of all tenants, in their order. */
export async function readPolicyRules(db: Db): Promise<PolicyRule[]> {
  const rows = await ruleRows(db).execute()
  return rows.map((row) => ({
    name: row.name,
    about: given({
      tenantId: row.tenant_id,
      user: row.login,
      group: row.group_name,
      role: row.role,
      flavour: row.flavour,
      desktop: row.desktop,
      from: row.sources === null ? null : addressRanges(row.sources),
    }),
    says: given({
      use: row.use,
      displays: row.displays,
      clipboard: row.clipboard,
      folders: row.folders === null ? null : { access: row.folders, roots: row.folder_roots ?? [] },
      ports: row.ports,
      printing: row.printing,
      audio: row.audio,
      usb: row.usb,
      quota: row.quota,
    }),
  }))
}

/** A rule as an administrator writes it, in her words. */
export interface PolicyRuleText {
  readonly position: number
  readonly name: string
  readonly about: string
  readonly says: string
}

/** The rules of all tenants, or those about one alone, in their order, for reading. */
export async function listPolicyRules(db: Db, tenantId: number | undefined): Promise<PolicyRuleText[]> {
  const rows = await ruleRows(db)
    .$if(tenantId !== undefined, (rules) => rules.where('rule.tenant_id', '=', tenantId ?? 0))
    .execute()
  return rows.map((row) => ({
    position: row.position,
    name: row.name,
    about: words({
      tenant: row.tenant,
      user: row.login,
      group: row.group_name,
      role: row.role,
      osf: row.flavour,
      vm: row.desktop,
      from: row.sources,
    }),
    says: words({
      use: row.use,
      displays: row.displays,
      clipboard: row.clipboard,
      folders: row.folders,
      roots: row.folder_roots,
      ports: row.ports,
      printing: row.printing,
      audio: row.audio,
      usb: row.usb,
      quota: row.quota,
    }),
  }))
}

export interface NewPolicyRule {
  readonly name: string
  /** Where it stands among the others; `undefined`: below them all. */
  readonly position: number | undefined
  readonly about: Omit<PolicyRule['about'], 'from'> & {
    readonly flavourId?: number
    readonly sources?: readonly string[]
  }
  readonly says: Partial<PolicySays>
}

/**
 * Adds a rule, and tells the doors.
 * @throws Fault `object.exists`.
 */
export async function addPolicyRule(db: Db, rule: NewPolicyRule): Promise<number> {
  const { about, says } = rule
  const last = db.selectFrom('policy_rule').select((eb) => eb.fn.max('position').as('position'))
  return await addNamed('policy', rule.name, async () => {
    const position = rule.position ?? ((await last.executeTakeFirst())?.position ?? 0) + 10
    const added = await db
      .with('added', (with_) =>
        with_
          .insertInto('policy_rule')
          .values({
            position,
            name: rule.name,
            tenant_id: about.tenantId ?? null,
            login: about.user ?? null,
            group_name: about.group ?? null,
            role: about.role ?? null,
            flavour_id: about.flavourId ?? null,
            desktop: about.desktop ?? null,
            sources: about.sources ?? null,
            use: says.use ?? null,
            displays: says.displays ?? null,
            clipboard: says.clipboard ?? null,
            folders: says.folders?.access ?? null,
            folder_roots: says.folders?.roots ?? null,
            ports: says.ports ?? null,
            printing: says.printing ?? null,
            audio: says.audio ?? null,
            usb: says.usb ?? null,
            quota: says.quota ?? null,
          })
          .returning('id'),
      )
      .selectFrom('added')
      .select(['id', sql`pg_notify('ostler_config', '')`.as('told')])
      .executeTakeFirstOrThrow()
    return added
  })
}

/** Removes a rule, and tells the doors. @throws Fault `object.unknown`. */
export async function deletePolicyRule(db: Db, name: string): Promise<void> {
  const { rows } = await sql`
    WITH gone AS (DELETE FROM ostler.policy_rule WHERE name = ${name} RETURNING id)
    SELECT pg_notify('ostler_config', '') FROM gone`.execute(db)
  if (rows.length === 0) throw new Fault('object.unknown', { kind: 'policy', name })
}

/** Leaves out what is null. */
function given<T extends object>(record: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(record).filter(([, value]) => value !== null)
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> }
}

function words(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${word(value)}`)
    .join(' ')
}

function word(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',')
  return String(value)
}
