import { Fault } from '@ostler/contract/fault.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import { emptyRuleset, type FirewallSettings, type Resident, ruleset, tableName } from './ruleset.ts'

/**
 * The rules of this node's desktops in nftables: two tables of ours (`bridge` and `ip`), each change one transaction.
 * They stay when hkd ends, for the desktops do.
 */
export class Firewall {
  readonly #settings: FirewallSettings
  readonly #residents = new Map<number, Resident>()
  readonly #turnstile = new Turnstile()
  /** Counts what was changed in `#residents`; `#written` says up to where the kernel knows. */
  #changes = 0
  #written = -1
  /** What the kernel said right after our last change. */
  #listing = ''

  constructor(settings: FirewallSettings) {
    this.#settings = settings
  }

  /**
   * Makes the rules, for exactly these desktops, in place of any that are there.
   * @throws Fault `node.missingProgram`, `node.missingFeature`, `node.network` or `config.invalid`.
   */
  async establish(residents: readonly Resident[]): Promise<void> {
    this.#residents.clear()
    for (const resident of residents) this.#residents.set(resident.id, resident)
    await this.#changed()
  }

  /** Lets a desktop send from its address, and as much as it may. Returns when the kernel knows it; throws like `establish`. */
  async admit(resident: Resident): Promise<void> {
    const known = this.#residents.get(resident.id)
    if (known !== undefined && isSame(known, resident)) return void (await this.#write())
    this.#residents.set(resident.id, resident)
    await this.#changed()
  }

  /** Takes a desktop's permission away. */
  async dismiss(id: number): Promise<void> {
    if (this.#residents.delete(id)) await this.#changed()
  }

  /** Makes the rules again when somebody has changed or removed them; says whether that was so. */
  async mend(): Promise<boolean> {
    return await this.#turnstile.pass(async () => {
      if ((await this.#list().catch(() => undefined)) === this.#listing) return false
      await this.#replace()
      return true
    })
  }

  async #changed(): Promise<void> {
    this.#changes += 1
    await this.#write()
  }

  /** Many desktops that start at once are told to the kernel together. */
  async #write(): Promise<void> {
    const wanted = this.#changes
    await this.#turnstile.pass(async () => {
      if (this.#written < wanted) await this.#replace()
    })
  }

  async #replace(): Promise<void> {
    const changes = this.#changes
    await nft(FROM_INPUT, ruleset(this.#settings, [...this.#residents.values()]))
    this.#written = changes
    this.#listing = await this.#list()
  }

  async #list(): Promise<string> {
    const table = tableName(this.#settings.prefix)
    // nft 1.0.6 finds only one of the families when it is asked for both at once.
    return (await nft(['list', 'table', 'bridge', table])) + (await nft(['list', 'table', 'ip', table]))
  }
}

function isSame(one: Resident, other: Resident): boolean {
  const facts = ({ address, rates }: Resident) => [address, rates?.inKbit ?? null, rates?.outKbit ?? null]
  return facts(one).join() === facts(other).join()
}

/** Takes a node's rules away, if there are any and nftables is here. */
export async function removeFirewall(prefix: string): Promise<void> {
  await nft(FROM_INPUT, emptyRuleset(prefix)).catch((error: unknown) => {
    if (!(error instanceof Fault) || error.code === 'node.network') throw error
  })
}

const FROM_INPUT = ['-f', '-']
const ENABLE = 'internal.vm.network.firewall.enable'

async function nft(args: readonly string[], input = ''): Promise<string> {
  try {
    return (await run('nft', args, { input, maxOutput: 1 << 24 })).stdout
  } catch (cause) {
    if (!(cause instanceof RunError)) throw cause
    if (cause.exitCode === null && cause.signal === null && !cause.timedOut)
      throw new Fault('node.missingProgram', { program: 'nft', packages: 'nftables' }, { cause })
    if (/not supported|Protocol error|Unable to initialize Netlink/i.test(cause.stderr))
      throw new Fault(
        'node.missingFeature',
        {
          feature: 'nftables of the families bridge and ip',
          cure: `Use a kernel with CONFIG_NF_TABLES_BRIDGE, or let desktops be unfiltered: ${ENABLE} = 0.`,
        },
        { cause },
      )
    throw new Fault('node.network', { reason: cause.message }, { cause })
  }
}
