import { comesToHold } from '@ostler/kit/poll.ts'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { timed, typeAll, typedIn } from '../fixtures/guide.ts'
import { until } from '../fixtures/world.ts'
import { buildPackages } from './built.ts'
import { Machine } from './machine.ts'
import { Seat } from './seat.ts'
import { FOR_DISPLAY, keptSystem } from './system.ts'

const NEEDS = [
  ...[
    'systemd-sysv',
    'dbus',
    'procps',
    'curl',
    'ca-certificates',
    'libatomic1',
    'lxc',
    'nftables',
    'iproute2',
  ],
  ...['dnsmasq-base', 'perl', 'util-linux', 'passwd'],
]
/** Its configuration would make a cluster, which is what must not happen: installed with our package, not before. */
const DATABASE = 'postgresql'
const SERVICES = ['ostler-postgres', 'ostler-hkd', 'ostler-l7r', 'ostler-api']
const WAIT_MS = 120_000
/** Another machine is made, on a disk that may be slow. */
const BARE_MS = 900_000
const DOOR = 'https://127.0.0.1:8443'
/** What the guides call the archive of a node. */
const ARCHIVE = 'root/node.tar.gz'

let folder: string
let system: string
let machine: Machine
let seat: Seat

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-life-'))
  const only = ['ostler-node', 'ostler-qa', 'ostler-client']
  await buildPackages(join(folder, 'old'), { only, version: '0.1.0' })
  await buildPackages(join(folder, 'new'), { only, version: '0.1.1' })
  system = await keptSystem({
    kind: 'node',
    suite: 'bookworm',
    packages: [...NEEDS, ...FOR_DISPLAY],
    ready: [DATABASE],
  })
  machine = await Machine.start(system)
  seat = await Seat.take(machine)
})
afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function debs(age: 'old' | 'new'): string[] {
  const all = readdirSync(join(folder, age)).filter((file) => file.endsWith('.deb'))
  return all.map((file) => join(folder, age, file))
}

function nodeDeb(age: 'old' | 'new'): string {
  return debs(age).find((file) => file.includes('ostler-node')) ?? ''
}

/** Processes of the first desktop. */
async function desktop(): Promise<string[]> {
  const all = 'cat $(find /sys/fs/cgroup -path "*/ostler/ostler-1/payload*" -name cgroup.procs) | sort -nu'
  return (await machine.run(['sh', '-c', all])).trim().split('\n').filter(Boolean)
}

/** Paints the ground of the desktop, as its user would. */
async function paint(colour: string): Promise<void> {
  const script = `for pid in "$@"; do
    test "$(cat /proc/$pid/comm)" = openbox || continue
    exec xargs -0 -a /proc/$pid/environ sh -c 'exec nsenter --target "$0" --all -- env -i "$@" xsetroot -solid "${colour}"' "$pid"
  done; exit 1`
  await machine.run(['sh', '-c', script, 'sh', ...(await desktop())])
}

async function restarts(unit: string): Promise<void> {
  const before = await machine.run(['systemctl', 'show', '--property=MainPID', '--value', unit])
  await machine.run(['systemctl', 'restart', unit])
  expect(await machine.run(['systemctl', 'show', '--property=MainPID', '--value', unit])).not.toBe(before)
}

async function untilServicesRun(): Promise<void> {
  for (const unit of SERVICES)
    await until(
      `${unit} to be there`,
      async () => (await machine.try(['systemctl', 'is-active', unit])).code === 0,
      WAIT_MS,
    )
}

async function untilDesktopAnswers(on = machine): Promise<void> {
  const told = async (): Promise<string> => (await on.try(['qa', 'vm', 'list', '--json'])).said
  await until('the desktop to answer', async () => (await told()).includes('"agent": "answers"'), WAIT_MS)
}

/** Its programs, once those are over that only begin a session. */
async function settledDesktop(): Promise<string[]> {
  let before: string[] = []
  await until(
    'the session to have begun',
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      const [then, now] = [before, await desktop()]
      before = now
      return now.length > 0 && now.join() === then.join()
    },
    WAIT_MS,
  )
  return before
}

/** Boots after a cut: the node is there without help, and its desktop starts. */
async function comesBack(): Promise<void> {
  await machine.boot()
  await untilServicesRun()
  const list = async (): Promise<string> => (await machine.try(['qa', 'vm', 'list'])).said
  await until('the api to answer', async () => (await list()).includes('ann-office'), WAIT_MS)
  await machine.run(['qa', 'vm', 'start', '-f', 'name=ann-office'])
  await untilDesktopAnswers()
}

test('who types what the guide says sees a desktop, and PostgreSQL has no cluster but ours', async () => {
  for (const file of debs('old')) machine.bring(file)
  const blocks = typedIn('install.md')
  const last = blocks.at(-1) ?? ''
  expect(last).toContain('ostler connect')
  const before = await typeAll((block) => machine.type(block), blocks.slice(0, -1))
  const shown = await timed(last, async () => {
    await seat.type(last)
    await until('a picture', () => seat.colours() > 3, WAIT_MS)
    return { code: 0, said: '' }
  })
  console.log(
    `${(before + shown).toFixed(1).padStart(6)} s  in all; the picture has ${seat.colours()} colours`,
  )

  for (const unit of SERVICES)
    expect(await machine.try(['systemctl', 'is-active', unit])).toMatchObject({ code: 0 })
  expect((await machine.run(['pg_lsclusters', '--no-header'])).trim()).toBe('')
  expect((await machine.run(['systemctl', '--failed', '--no-legend'])).trim()).toBe('')
})

test('no restart of a service ends a program of the desktop, or its picture', async () => {
  // Before that, what paints may not be there yet.
  const inside = await settledDesktop()
  await paint('#b01030')
  await seat.untilShown('#b01030')
  const outside = await seat.programs()
  expect(inside.length).toBeGreaterThan(0)
  expect(outside).toContain('nxproxy')
  for (const [index, unit] of SERVICES.entries()) {
    await restarts(unit)
    const colour = `#1030${(0x40 + index * 0x10).toString(16)}`
    await paint(colour)
    await seat.untilShown(colour)
  }
  await untilDesktopAnswers()
  expect(await desktop()).toEqual(inside)
  expect(await seat.programs()).toBe(outside)
})

test('an upgrade keeps the desktop, its picture, and what the administrator has written', async () => {
  const [inside, outside] = [await desktop(), await seat.programs()]
  await machine.run(['sh', '-c', 'echo "# ours" >>/etc/ostler/node.conf'])
  await machine.run(['sh', '-c', 'rm /root/ostler-*.deb'])
  for (const file of debs('new')) machine.bring(file)
  await typeAll((block) => machine.type(block), typedIn('operate.md', 'Upgrades'))
  expect(await machine.run(['tail', '-n1', '/etc/ostler/node.conf'])).toBe('# ours\n')
  await paint('#309010')
  await seat.untilShown('#309010')
  await untilDesktopAnswers()
  expect(await desktop()).toEqual(inside)
  expect(await seat.programs()).toBe(outside)
})

test('a downgrade is refused with a sentence, and nothing has changed', async () => {
  const before = await desktop()
  const { code, said } = await machine.give(nodeDeb('old'))
  expect(code).not.toBe(0)
  expect(said).toContain(
    'the tables of the database are those of version 0.1.1, and version 0.1.0 cannot read them',
  )
  expect(await stateOfPackage()).toBe('install ok installed 0.1.1')
  for (const unit of SERVICES)
    expect(await machine.try(['systemctl', 'is-active', unit])).toMatchObject({ code: 0 })
  expect(await desktop()).toEqual(before)
})

async function stateOfPackage(): Promise<string> {
  return await machine.run(['dpkg-query', '--show', '--showformat=${Status} ${Version}', 'ostler-node'])
}

/** Lets dpkg install the new version, and kills it as soon as something is the case. */
async function killDpkgWhen(holds: () => boolean | Promise<boolean>): Promise<void> {
  const file = machine.bring(nodeDeb('new'))
  await machine.run(['systemd-run', '--quiet', '--unit=dpkg', '--collect', 'dpkg', '--install', file])
  expect(await comesToHold(holds, WAIT_MS, 1)).toBe(true)
  await machine.run(['systemctl', 'kill', '--signal=KILL', 'dpkg'])
  await until('dpkg to be gone', async () => (await machine.try(['pgrep', '-x', 'dpkg'])).code !== 0)
}

test('dpkg is killed while it unpacks: the desktop goes on, and installing once more mends it', async () => {
  const [inside, outside] = [await desktop(), await seat.programs()]
  await killDpkgWhen(() => existsSync(join(machine.files, 'usr/lib/ostler/agent/node.dpkg-new')))
  expect(await stateOfPackage()).not.toContain('ok installed')
  await paint('#905010')
  await seat.untilShown('#905010')
  expect(await machine.give(nodeDeb('new'))).toMatchObject({ code: 0 })
  expect(await stateOfPackage()).toBe('install ok installed 0.1.1')
  await untilServicesRun()
  await untilDesktopAnswers()
  expect(await desktop()).toEqual(inside)
  expect(await seat.programs()).toBe(outside)
})

test('dpkg is killed while it configures: dpkg --configure -a mends it', async () => {
  const inside = await desktop()
  const configures = ['pgrep', '--full', 'ostler-node[.]postinst configure']
  await killDpkgWhen(async () => (await machine.try(configures)).code === 0)
  expect(await stateOfPackage()).not.toContain('ok installed')
  expect(await machine.try(['dpkg', '--configure', '-a'])).toMatchObject({ code: 0 })
  expect(await stateOfPackage()).toBe('install ok installed 0.1.1')
  await untilServicesRun()
  await untilDesktopAnswers()
  expect(await desktop()).toEqual(inside)
})

test('no service takes a desktop with it when it is killed, and its user comes back to it', async () => {
  const before = await desktop()
  for (const unit of SERVICES) await machine.run(['systemctl', 'kill', '--signal=KILL', unit])
  await untilServicesRun()
  await untilDesktopAnswers()
  expect(await desktop()).toEqual(before)
  await paint('#104090')
  await seat.untilShown('#104090')
})

test(
  'a backup makes a bare machine this node: users, desktops, homes, keys',
  { timeout: BARE_MS },
  async () => {
    await writeInHome(machine, 'letter', 'dear Bob')
    const trust = await fingerprint(machine)
    const [backup, restore] = [typedIn('packages.md', 'Backup'), typedIn('packages.md', 'Restore')]
    await typeAll((block) => machine.type(block), backup)
    await using bare = await Machine.start(system)
    for (const file of debs('new')) bare.bring(file)
    copyFileSync(join(machine.files, ARCHIVE), join(bare.files, ARCHIVE))
    await typeAll((block) => bare.type(block), restore)
    expect(await bare.run(['tail', '-n1', '/etc/ostler/node.conf'])).toBe('# ours\n')
    for (const what of ['user', 'osf', 'di']) {
      const words = ['qa', what, 'list']
      expect(await bare.run(words)).toBe(await machine.run(words))
    }
    const mine = ['curl', '-sk', '--user', 'ann:a good password', `${DOOR}/qvd/list_of_vm`]
    expect(await bare.run(mine)).toContain('ann-office')
    expect(await fingerprint(bare)).toBe(trust)
    await bare.run(['qa', 'vm', 'start', '-f', 'name=ann-office'])
    await untilDesktopAnswers(bare)
    expect(await readInHome(bare, 'letter')).toBe('dear Bob')
  },
)

const HOME = '/var/lib/ostler/storage/homefs/ann-1/ann'

async function writeInHome(on: Machine, name: string, text: string): Promise<void> {
  await on.run([
    'sh',
    '-c',
    'printf %s "$2" >"$1"; chown --reference="${1%/*}" "$1"',
    'sh',
    `${HOME}/${name}`,
    text,
  ])
}

async function readInHome(on: Machine, name: string): Promise<string> {
  return await on.run(['cat', `${HOME}/${name}`])
}

/** What clients know the door by. */
async function fingerprint(on: Machine): Promise<string> {
  const shown =
    'openssl s_client -connect 127.0.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256'
  return await on.run(['sh', '-c', shown])
}

/** Moments of a start at which the power goes; brackets, or each search would find itself. */
const CUTS: readonly [string, () => Promise<boolean>][] = [
  ['PostgreSQL starts', async () => (await machine.try(['pgrep', '-x', 'postgres'])).code === 0],
  ['hkd starts', async () => (await machine.try(['pgrep', '--full', 'hkd[.]cjs$'])).code === 0],
  ['the door starts', async () => (await machine.try(['pgrep', '--full', 'l7r[.]cjs'])).code === 0],
]

test('the power is cut while the machine starts, again and again, and then it starts', async () => {
  await machine.cutPower()
  for (const [moment, comes] of CUTS) {
    await machine.begin()
    expect(await comesToHold(comes, WAIT_MS, 10), moment).toBe(true)
    await machine.cutPower()
  }
  await comesBack()
})

test('the power is cut while a desktop starts, and the next one starts', async () => {
  await machine.run(['qa', 'vm', 'stop', '-f', 'name=ann-office'])
  await until(
    'the desktop to be stopped',
    async () => /\bstopped\b/.test(await machine.run(['qa', 'vm', 'list'])),
    WAIT_MS,
  )
  await machine.run(['qa', 'vm', 'start', '-f', 'name=ann-office'])
  await until(
    'the desktop to begin',
    async () => (await machine.try(['pgrep', '--full', 'ostler[-]init'])).code === 0,
    WAIT_MS,
  )
  await machine.cutPower()
  await comesBack()
})

test('removed, nothing of it runs; purged, nothing of it is left but homes, and it says so', async () => {
  await machine.run(['apt-get', 'purge', '--yes', 'ostler-client'])
  await machine.run(['apt-get', 'remove', '--yes', 'ostler-node'])
  expect(await machine.run(['ps', '-e', '-o', 'args'])).not.toMatch(/\/usr\/lib\/ostler|postgres -D|nxagent/)
  expect(await machine.run(['ip', '-brief', 'link'])).not.toContain('ostler')
  const { said } = await machine.try(['apt-get', 'purge', '--yes', 'ostler-node'])
  expect(said).toContain('the homes of your users are kept in /var/lib/ostler/storage/homefs')
  const places = ['/root', '/home', '/var/lib/apt', '/var/log/journal', '/var/tmp']
  const elsewhere = places.map((place) => `-not -path "${place}/*"`).join(' ')
  const left = ['sh', '-c', `find / -xdev -name "*ostler*" ${elsewhere} | sort`]
  expect((await machine.run(left)).trim()).toBe('/var/lib/ostler')
  expect(
    (await machine.run(['find', '/var/lib/ostler', '-maxdepth', '2', '-type', 'd'])).split('\n'),
  ).toEqual([...['/var/lib/ostler', '/var/lib/ostler/storage', '/var/lib/ostler/storage/homefs', '']])
  expect(await machine.run(['getent', 'passwd'])).not.toContain('ostler')
  expect(await machine.run(['mount'])).not.toMatch(/ostler-\d|\/run\/ostler/)
})
