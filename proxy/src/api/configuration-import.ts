import type { ImportAnswer, ImportedKey } from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { setConfigurations } from '../store/configuration-import.ts'
import type { Db } from '../store/open.ts'
import { requireTenant } from '../store/users.ts'
import type { ConfigurationDesk, ConfigurationSource } from './configuration.ts'
import { type ConfigurationDump, type DumpedKey, parseConfigurationDump } from './configuration-dump.ts'

interface ImportOrder {
  readonly text: string
  /** What a tenant of QVD is called here, by its number there. */
  readonly tenants: Readonly<Record<string, string>>
  readonly apply: boolean
}

/** Longest key and value that the table takes. */
const [LONGEST_KEY, LONGEST_VALUE] = [256, 4096]

/** Takes the configuration of a QVD over, whole: first everything is judged, then what can be is stored at once. */
export class ConfigurationImport {
  readonly #db: Db
  readonly #source: ConfigurationSource
  readonly #desk: ConfigurationDesk

  constructor(db: Db, source: ConfigurationSource, desk: ConfigurationDesk) {
    this.#db = db
    this.#source = source
    this.#desk = desk
  }

  /**
   * @throws Fault `request.invalid` when the text is neither a `node.conf` nor a dump, or a tenant here is not named;
   * `object.unknown` when the named one is not there.
   */
  async take({ text, tenants, apply }: ImportOrder): Promise<ImportAnswer> {
    const dump = parseConfigurationDump(text)
    return await this.takeKeys(
      { ...dump, tenants: new Map([...dump.tenants, ...Object.entries(tenants)]) },
      apply,
    )
  }

  /** The same of keys that were read already. */
  async takeKeys(dump: ConfigurationDump, apply: boolean): Promise<ImportAnswer> {
    const nameOf = (number: string): string | undefined => dump.tenants.get(number)
    const numbers = [...new Set(dump.keys.map(({ tenant }) => tenant ?? null))]
    const keys: ImportedKey[] = []
    const groups: { tenantId: number | undefined; values: Record<string, string> }[] = []
    // What is true for all first: a tenant's value may refer to it.
    for (const number of numbers.toSorted((a, b) => Number(a ?? -1) - Number(b ?? -1))) {
      const name = number === null ? undefined : nameOf(number)
      if (number !== null && name === undefined)
        throw new Fault('request.invalid', {
          problem: `the dump has keys of the tenant ${number} and not its name: add tenant.${number}=NAME`,
        })
      const tenantId = name === undefined ? undefined : await requireTenant(this.#db, name)
      const values: Record<string, string> = {}
      const ofAll = groups.find((group) => group.tenantId === undefined)?.values ?? {}
      for (const said of lastOfEach(dump.keys.filter(({ tenant }) => (tenant ?? null) === number))) {
        const judged = await this.#judge(said, tenantId, { ...ofAll, ...values })
        keys.push({ key: said.key, tenant: name ?? null, kind: judged.kind, text: judged.text })
        if (judged.as !== undefined && !(judged.as.key !== said.key && judged.as.key in values))
          values[judged.as.key] = judged.as.value
      }
      groups.push({ tenantId, values })
    }
    if (apply) await setConfigurations(this.#db, groups)
    const stored = groups.reduce((sum, { values }) => sum + Object.keys(values).length, 0)
    return { keys, stored, applied: apply }
  }

  /** @returns what becomes of a key, and as what it is stored, if it is. */
  async #judge(
    { key, value }: DumpedKey,
    tenantId: number | undefined,
    beside: Readonly<Record<string, string>>,
  ): Promise<Pick<ImportedKey, 'kind' | 'text'> & { readonly as?: { key: string; value: string } }> {
    if (key === '' || key.length > LONGEST_KEY || value.length > LONGEST_VALUE)
      return {
        kind: 'refused',
        text: `a key has 1 to ${LONGEST_KEY} characters, a value at most ${LONGEST_VALUE}`,
      }
    const verdict = this.#source.verdict(key)
    const meant = this.#source.translate(key, value) ?? { key, value }
    const problem = this.#desk.placeProblem(meant.key, tenantId !== undefined)
    if (problem !== undefined) return { kind: key.startsWith('l7r.ssl.') ? 'ssl' : 'file', text: problem }
    try {
      await this.#desk.requireSense(tenantId, { ...beside, [meant.key]: meant.value })
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'request.invalid') throw error
      return { kind: 'refused', text: String(error.detail['problem'] ?? error.message) }
    }
    if (verdict.kind === 'mapped') return { kind: 'mapped', text: `${verdict.to}: ${verdict.how}`, as: meant }
    if (verdict.kind === 'reported') return { kind: 'reported', text: verdict.reason, as: { key, value } }
    if (verdict.kind === 'unknown')
      return { kind: 'unknown', text: `kept${verdict.near}`, as: { key, value } }
    const restart = this.#source.reach(key)?.restart ?? []
    const when = restart.length === 0 ? 'at once' : `once ${restart.join(' and ')} start again`
    return { kind: 'honoured', text: meant.value === value ? when : `as ${meant.value}, ${when}`, as: meant }
  }
}

/** Of a key that stands twice the later one counts. */
function lastOfEach(keys: readonly DumpedKey[]): DumpedKey[] {
  return [...new Map(keys.map((said) => [said.key, said])).values()]
}
