import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { overlayOwner } from '../../proxy/src/model/storage-layout.ts'
import { doorLog, openRfb, untilLogged } from '../fixtures/door.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { load, median, print } from './figures.ts'

/**
 * From "connect" to the first bytes of the display, warm, cold and at a take-over, beside the raw time of the parts
 * that cannot be avoided: `lxc-start` of the same container and the start of nxagent. Prints; never judges.
 */
const ROUNDS = Number(process.argv[2] ?? 7)
const USER = 'ann'

const world = await startWorld()
try {
  const screen = world.scope.own(await openScreen())
  const vmId = await world.addUser(USER)
  print(`rounds: ${ROUNDS}, load average before: ${load()}`)
  await openOnce(world, screen, vmId) // the first one makes the image
  await cold(world, screen, vmId)
  await warm(world, screen, vmId)
  await raw(world, screen, vmId)
  await takeOver(world, screen, vmId)
  print(`load average after: ${load()}`)
} finally {
  await world[Symbol.asyncDispose]()
}

function seatsSoFar(vmId: number): number {
  return doorLog(world).filter((line) => line.message === 'seat claimed' && line['vm'] === vmId).length
}

/** Connects with the real client; returns milliseconds from its TLS request to its first display bytes. */
async function openOnce(w: World, screen: XScreen, vmId: number): Promise<number> {
  const seat = seatsSoFar(vmId) + 1
  const client = screen.connect(w, USER)
  const shows = await untilLogged(w, 'stream shows', vmId, seat)
  await screen.untilPixel(900, 600, '#2f5d62')
  await client[Symbol.asyncDispose]()
  await untilLogged(w, 'stream ended', vmId, seat)
  await w.untilSuspended(vmId)
  return Number(shows['sinceRequestMs'])
}

async function cold(w: World, screen: XScreen, vmId: number): Promise<void> {
  const times: number[] = []
  const steps = new Map<string, number[]>()
  for (let round = 0; round < ROUNDS; round++) {
    await w.qa(`vm stop -f name=${USER}`)
    await w.untilVm(USER, 'stopped')
    times.push(await openOnce(w, screen, vmId))
    const { timeline } = (await w.api.get(`/v1/desktops/${USER}/explain`)) as {
      timeline: { step: string; at: string }[]
    }
    const began = Date.parse(timeline[0]?.at ?? '')
    for (const { step, at } of timeline) steps.set(step, [...(steps.get(step) ?? []), Date.parse(at) - began])
  }
  report('cold: connect -> first NX bytes (container stopped)', times)
  for (const [step, values] of steps)
    print(
      `    ${step.padEnd(16)} ${String(Math.round(median(values))).padStart(6)} ms after it was queued (p50)`,
    )
}

async function warm(w: World, screen: XScreen, vmId: number): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS * 2; round++) times.push(await openOnce(w, screen, vmId))
  report('warm: connect -> first NX bytes (suspended session)', times)
}

/** The same container without any of ours but its configuration and its mounts, and nxagent alone. */
async function raw(w: World, screen: XScreen, vmId: number): Promise<void> {
  const { folder, prefix } = w.node.settings
  const name = `${prefix}${vmId}`
  const lab = join(folder, 'bench')
  const own = join(folder, 'run/lxc', name)
  const ofLab = (file: string): string =>
    readFileSync(join(own, file), 'utf8').replaceAll(join(own, 'stage'), join(lab, 'raw/stage'))
  const config = ofLab('config')
  const [stage = '', ...start] = JSON.parse(ofLab('start.json')) as string[]
  const overlays = join(folder, 'state/storage/overlayfs')
  const overlay = join(
    overlays,
    readdirSync(overlays).find((each) => overlayOwner(each)?.vmId === vmId) ?? '',
  )
  await w.qa(`vm stop -f name=${USER}`)
  await w.untilVm(USER, 'stopped')
  mkdirSync(join(lab, 'raw/stage'), { recursive: true, mode: 0o711 })
  for (const bound of ['boot', 'display'])
    mkdirSync(join(folder, 'run/desktops', String(vmId), bound), { recursive: true })
  // In the overlay, which the stop has removed, because nothing may be run from the folders that are bound in.
  const upper = join(overlay, 'upper')
  for (const made of [upper, join(overlay, 'work')]) mkdirSync(made, { recursive: true, mode: 0o755 })
  writeFileSync(join(upper, 'init'), '#!/bin/sh\ntouch /started\nsleep 60 &\nwait\n')
  chmodSync(join(upper, 'init'), 0o755)
  writeFileSync(
    join(lab, 'raw/config'),
    config
      .replace(/^lxc\.init\.cmd = .*$/m, 'lxc.init.cmd = /init')
      .replaceAll(`ostler/${name}/`, `ostler/${name}-raw/`),
  )
  const started = join(upper, 'started')
  const containers: number[] = []
  const agents: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rmSync(started, { force: true })
    const began = performance.now()
    await run(stage, [...start, '-P', lab, '-n', 'raw', '--daemon'])
    await until('the container', () => existsSync(started))
    containers.push(performance.now() - began)
    await run('lxc-stop', ['-P', lab, '-n', 'raw', '--kill'])
    agents.push(await nxagentAlone(screen))
  }
  await sleep(500) // LXC's monitor lingers in its group
  const groups = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/ostler/${name}-raw*`]
  await run('find', [...groups, '-exec', 'rmdir', '{}', ';'])
  report('raw: mounts and lxc-start until its first process runs', containers)
  report('raw: nxagent until it accepts + nxproxy until the session has started', agents)
}

async function nxagentAlone(screen: XScreen): Promise<number> {
  const folder = join(world.node.settings.folder, 'bench/nx')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, '.nx'), { recursive: true })
  const socket = join(folder, 'nx.sock')
  writeFileSync(
    join(folder, 'options'),
    `nx/nx,link=lan,geometry=1000x700,sleep=0,listen=unix:${socket}:187\n`,
  )
  const environment = { PATH: '/usr/bin:/bin', HOME: folder, NX_CLIENT: '/bin/true' }
  const began = performance.now()
  const agent = spawn(
    'nxagent',
    [':187', '-nolisten', 'tcp', '-ac', '-display', `nx/nx,options=${folder}/options:187`],
    {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let said = ''
  agent.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')))
  await until('nxagent to accept', () => existsSync(socket))
  const proxy = spawn('nxproxy', ['-S', `nx/nx,connect=unix:${socket}:187`], {
    env: { ...environment, DISPLAY: screen.display, NX_ROOT: join(folder, '.nx') },
    stdio: 'ignore',
  })
  await until('the session', () => said.includes('Session: Session started'))
  const took = performance.now() - began
  for (const child of [proxy, agent]) {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  rmSync('/tmp/.X11-unix/X187', { force: true })
  rmSync('/tmp/.X187-lock', { force: true })
  return took
}

/** All pairs of clients: when the loser is cut, and when the winner sees something, both from the claim. */
async function takeOver(w: World, screen: XScreen, vmId: number): Promise<void> {
  for (const [first, second] of [
    ['nx', 'nx'],
    ['nx', 'browser'],
    ['browser', 'nx'],
    ['browser', 'browser'],
  ] as const) {
    const cut: number[] = []
    const shown: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const seat = seatsSoFar(vmId) + 1
      const loser = await view(w, screen, first, vmId, seat)
      const winner = await view(w, screen, second, vmId, seat + 1)
      const claimed = doorLog(w).filter((line) => line.message === 'seat claimed' && line['vm'] === vmId)[
        seat
      ]
      const end = await untilLogged(w, 'stream ended', vmId, seat)
      cut.push(Date.parse(end.timestamp) - Date.parse(claimed?.timestamp ?? ''))
      shown.push(Number((await untilLogged(w, 'stream shows', vmId, seat + 1))['sinceClaimMs']))
      await loser()
      await winner()
      await untilLogged(w, 'stream ended', vmId, seat + 1)
      await w.untilSuspended(vmId)
    }
    report(`take-over ${first} -> ${second}: loser cut after the claim`, cut)
    report(`take-over ${first} -> ${second}: winner's first bytes after the claim`, shown)
  }
}

async function view(
  w: World,
  screen: XScreen,
  kind: 'nx' | 'browser',
  vmId: number,
  seat: number,
): Promise<() => Promise<void>> {
  if (kind === 'nx') {
    const client = screen.connect(w, USER)
    await untilLogged(w, 'stream shows', vmId, seat)
    await screen.untilPixel(900, 600, '#2f5d62')
    return async () => await client[Symbol.asyncDispose]()
  }
  const client = await openRfb(w, USER, vmId)
  await client.greeting
  await sleep(200)
  return async () => {
    client.close()
    await client.closed
  }
}

function report(what: string, values: readonly number[]): void {
  const sorted = [...values].sort((a, b) => a - b).map(Math.round)
  print(
    `${what.padEnd(78)} p50 ${String(Math.round(median(values))).padStart(5)} ms   min ${sorted[0] ?? 0}   max ${sorted.at(-1) ?? 0}`,
  )
}
