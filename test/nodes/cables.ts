import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { commandLine } from '../fixtures/world.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'

/** What can be out of a node's reach. */
export type CutFrom = 'database' | 'peers' | 'both'

const HUB = '10.9.0.254'
const SPACE_MS = 20_000
/** Mounts of its own as well: the devices that `/sys` lists must be those of the own network. */
const FURNISH = `
groups=$(mktemp -d)
mount --rbind /sys/fs/cgroup "$groups"
mount -t sysfs machine /sys
mount --rbind "$groups" /sys/fs/cgroup
umount --recursive --lazy "$groups"
rmdir "$groups"
exec sleep infinity
`

/**
 * A network for each node, with mounts of its own, and one between them in which the database is; they are namespaces that nobody
 * else is in, and end with us. A cut is what a pulled cable is: what is sent is lost, and nobody is told.
 */
export class Cables implements AsyncDisposable {
  /** What executes a program in the network between the nodes. */
  readonly hub: readonly string[]
  /** Where the hub is for all. */
  readonly hubAddress = HUB
  readonly #nodes: readonly (readonly string[])[]
  readonly #scope: Scope

  private constructor(hub: readonly string[], nodes: readonly (readonly string[])[], scope: Scope) {
    this.hub = hub
    this.#nodes = nodes
    this.#scope = scope
  }

  static async lay(count: number): Promise<Cables> {
    const scope = new Scope()
    try {
      const hub = await openNetwork(scope)
      const inHub = entering(hub)
      await ip(inHub, 'link add hub type bridge')
      await ip(inHub, `address add ${HUB}/24 dev hub`)
      await ip(inHub, 'link set lo up')
      await ip(inHub, 'link set hub up')
      const nodes: (readonly string[])[] = []
      for (let node = 0; node < count; node++) {
        const space = await openNetwork(scope)
        const inNode = entering(space)
        await ip(inHub, `link add to${node} type veth peer name wire netns ${space}`)
        await ip(inHub, `link set to${node} master hub`)
        await ip(inHub, `link set to${node} up`)
        await ip(inNode, 'link set lo up')
        await ip(inNode, `address add ${addressOf(node)}/24 dev wire`)
        await ip(inNode, 'link set wire up')
        nodes.push(inNode)
      }
      return new Cables(inHub, nodes, scope)
    } catch (error) {
      await scope.close()
      throw error
    }
  }

  /** What executes a program in the network of a node. */
  of(node: number): readonly string[] {
    return this.#nodes[node] ?? []
  }

  address(node: number): string {
    return addressOf(node)
  }

  async cut(node: number, from: CutFrom): Promise<void> {
    const peers = this.#nodes.flatMap((_, other) => (other === node ? [] : [addressOf(other)]))
    const gone = [...(from === 'peers' ? [] : [HUB]), ...(from === 'database' ? [] : peers)].join(', ')
    const rules = `table ip cables {
      chain in { type filter hook input priority -300; ip saddr { ${gone} } drop; }
      chain out { type filter hook output priority -300; ip daddr { ${gone} } drop; }
    }\n`
    const [program = '', ...args] = this.of(node)
    await run(program, [...args, 'nft', '-f', '-'], { input: rules })
  }

  async mend(node: number): Promise<void> {
    const [program = '', ...args] = this.of(node)
    await run(program, [...args, 'nft', 'delete', 'table', 'ip', 'cables'])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }
}

function addressOf(node: number): string {
  return `10.9.0.${node + 1}`
}

/** What has a network lives as long as we do at most. @returns the number of its process. */
async function openNetwork(scope: Scope): Promise<number> {
  const space = ['unshare', '--net', '--mount', '--', '/bin/sh', '-euc', FURNISH]
  const argv = ['--pdeathsig', 'KILL', '--', ...space]
  const keeper: ChildProcess = spawn('setpriv', argv, { stdio: 'ignore', cwd: '/' })
  scope.defer(async () => {
    if (keeper.exitCode !== null || keeper.signalCode !== null) return
    const ended = once(keeper, 'exit')
    keeper.kill('SIGKILL')
    await ended
  })
  const pid = keeper.pid ?? 0
  const own = readlinkSync('/proc/self/ns/net')
  const isOpen = (): boolean => networkOf(pid) !== own && commandLine(pid).startsWith('sleep')
  if (!(await comesToHold(isOpen, SPACE_MS, 5))) throw new Error('a network of its own does not open')
  return pid
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

function entering(pid: number): readonly string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, '--']
}

async function ip([program = '', ...args]: readonly string[], words: string): Promise<void> {
  await run(program, [...args, 'ip', ...words.split(' ')])
}
