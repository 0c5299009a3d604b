import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { consoleApi } from '@ostler/contract/console-frames.ts'
import {
  AGENT_SOCKET,
  type BootTicket,
  DISPLAY_SOCKETS,
  GUEST_BOOT_FOLDER,
  GUEST_DISPLAY_FOLDER,
  SESSION_DISPLAYS,
} from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import type { Socket } from 'node:net'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { LiveConfig } from '../config/live.ts'
import type { ConsoleUpgrade } from '../console/upgrade.ts'
import { RdpDisplay } from '../desktop/rdp.ts'
import { carryDisplay } from '../desktop/carried-display.ts'
import { serveRfb } from '../desktop/rfb.ts'
import { supportView } from '../desktop/support-view.ts'
import { showSession, type ViewerParts } from '../desktop/viewer.ts'
import { sweepFolders } from '../folders/fuse-mount.ts'
import { asUserWith } from '../platform/linux/as-user.ts'
import { linuxPlatform } from '../platform/linux/platform.ts'
import { followBootPort } from '../rpc/boot-port.ts'
import { awaitTicket, enrol, type EnrolledIdentity, tellOfLateTicket } from '../rpc/enrol.ts'
import { powerCalls } from '../rpc/power-calls.ts'
import { Renewal } from '../rpc/renewal.ts'
import { serveAgentApi, type Upgrade } from '../rpc/server.ts'
import { sessionCalls } from '../rpc/session-calls.ts'
import { serveSimpleRpc } from '../rpc/simple-rpc.ts'
import type { UsbDevices } from '../usb/usb-devices.ts'
import { isSoleUser } from '../user/sole-user.ts'
import { folderUpgrade } from './folders.ts'
import { followClients, makeSession } from './session.ts'

/** Puts the agent together, enrols it, and serves until the scope closes. The session outlives the scope. */
export async function startAgent(live: LiveConfig, version: string, log: Log, scope: Scope): Promise<void> {
  const config = live.values
  const plaintext = config()['vma.compat.plaintext']
  const platform = linuxPlatform(config)
  const bootDevice = config()['internal.vma.boot.port']
  const bootPort = plaintext
    ? undefined
    : scope.own(followBootPort(platform.bootPort(bootDevice), GUEST_BOOT_FOLDER))
  const ticket = plaintext
    ? undefined
    : await awaitTicket(GUEST_BOOT_FOLDER, scope.signal, tellOfLateTicket(log, bootDevice))
  const asUser = asUserWith(() => config()['command.setpriv'])
  const display =
    ticket === undefined
      ? undefined
      : { socket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.nx), owner: ticket.displayUid }
  const settings = { live, platform, asUser, log, display }
  await sweepFolders()
  const { session, hooks, channel, folders } = makeSession(settings, scope)
  scope.defer(() => session.release())
  scope.own(channel)
  followClients(settings, { session, channel }, scope)
  const power = powerCalls({ session, hooks, halt: platform.halt, log })
  const viewers = { session, config, asUser, log }
  const port = config()['internal.vm.port.vma']

  if (ticket === undefined) {
    log.warn('speaking plain HTTP to anybody who can reach this port: vma.compat.plaintext is on', { port })
    const showToSupport = (connection: Socket): void => void showSession(viewers, connection, true)
    scope.own(await serveSimpleRpc(port, { session, config, power, showToSupport, log }))
    return
  }
  // The node binds it in; in a virtual machine nobody has made it.
  mkdirSync(GUEST_DISPLAY_FOLDER, { recursive: true, mode: 0o751 })
  const rfb = { socket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.rfb), owner: ticket.displayUid }
  scope.own(await serveRfb(rfb, viewers))
  const rdpPlace = { socket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.rdp), owner: ticket.displayUid }
  const rdp = scope.own(new RdpDisplay(rdpPlace, viewers))
  const calls = sessionCalls(session, config)
  const place =
    ticket.listen === 'socket'
      ? { socket: join(GUEST_DISPLAY_FOLDER, AGENT_SOCKET), owner: ticket.displayUid }
      : { port }
  const identity = await enrol(place, GUEST_BOOT_FOLDER, log, scope.signal)
  bootPort?.[Symbol.dispose]()
  log.info('enrolled', { desktop: ticket.desktop, epoch: ticket.epoch })
  const console_ = consoleOnFirstUse(live, identity, ticket, log, scope)
  // Only a virtual machine has that port, and only that has a kernel of its own.
  const usb = usbOnFirstUse({ ...viewers, ownKernel: existsSync(bootDevice) }, scope)
  const renewal = new Renewal(log)
  const server = await serveAgentApi(place, identity, {
    handlers: {
      ping: () => Promise.resolve({ version }),
      ...calls,
      x_start: rdp.serve(calls.x_start),
      ...power,
      ...renewal.calls,
    },
    upgrades: [...upgrades(viewers, console_), folderUpgrade(folders), usbUpgrade(usb)],
    news: session.news,
    log,
  })
  renewal.present = (next) => server.renew(next)
  scope.own(server)
}

/** The console's code is loaded when somebody opens one: most desktops never have one. */
function consoleOnFirstUse(
  live: LiveConfig,
  identity: EnrolledIdentity,
  ticket: BootTicket,
  log: Log,
  scope: Scope,
): () => Promise<ConsoleUpgrade> {
  const enrolledAt = performance.now()
  let loaded: Promise<ConsoleUpgrade> | undefined
  const load = async (): Promise<ConsoleUpgrade> => {
    const { consoleUpgrade } = await import('../console/upgrade.ts')
    const settings = {
      // Without root there is no login shell of another user, and no audit that the user cannot write to.
      enabled: () => live.values()['vma.console.enable'] && !isSoleUser(),
      certificate: identity.certificate,
      authority: identity.authority,
      enrolledAt,
      desktop: ticket.desktop,
      epoch: ticket.epoch,
      auditLog: join(live.values()['path.log'], 'audit.log'),
      runuser: live.values()['command.runuser'],
      lang: 'C.UTF-8',
      log,
    }
    return scope.own(consoleUpgrade(settings))
  }
  return () => (loaded ??= load())
}

/** What attaches USB devices of the client; loaded, like the console, when somebody shares one. */
function usbOnFirstUse(
  parts: Omit<ConstructorParameters<typeof UsbDevices>[0], 'attach'>,
  scope: Scope,
): () => Promise<UsbDevices> {
  let loaded: Promise<UsbDevices> | undefined
  const load = async (): Promise<UsbDevices> => {
    const { UsbDevices: Devices } = await import('../usb/usb-devices.ts')
    const { attachDevice } = await import('../usb/vhci.ts')
    return scope.own(new Devices({ ...parts, attach: attachDevice }))
  }
  return () => (loaded ??= load())
}

function usbUpgrade(devices: () => Promise<UsbDevices>): Upgrade {
  return {
    ...upgradeApi.usb,
    take: async (_, socket, head) => {
      const attached = await devices()
      const { takeUsb } = await import('../usb/usb-upgrade.ts')
      takeUsb(attached, socket, head)
    },
  }
}

function upgrades(viewers: ViewerParts, console_: () => Promise<ConsoleUpgrade>): Upgrade[] {
  return [
    {
      ...upgradeApi.vnc_connect,
      take: (request, socket, head) => supportView(viewers, request, socket, head),
    },
    ...SESSION_DISPLAYS.map((kind) => {
      const { path, protocol, callers } = upgradeApi[`display_${kind}`]
      const place = join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS[kind])
      return {
        ...{ path, protocol, callers },
        take: (_: unknown, socket: Duplex, head: Buffer) => carryDisplay(place, protocol, socket, head),
      }
    }),
    {
      path: consoleApi.path,
      protocol: consoleApi.upgrade,
      callers: consoleApi.callers,
      take: async (request, socket, head) => {
        const take = await console_()
        take(request, socket, head)
      },
    },
  ]
}
