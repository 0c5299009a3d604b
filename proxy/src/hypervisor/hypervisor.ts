import type { BootTicket } from '@ostler/contract/identity.ts'
import type { AgentAt } from '../model/agent-at.ts'
import type { DiskImageKind } from '../model/disk-image.ts'
import type { DiskRates } from '../model/disk-rates.ts'
import type { Home } from '../model/home.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import type { OverlayKind } from '../model/overlay.ts'

/** What it takes to run a desktop. */
export interface DesktopSpec {
  readonly id: number
  /** The number of this boot. */
  readonly epoch: number
  readonly name: string
  readonly ownerId: number
  readonly tenantId: number
  readonly login: string
  readonly address: string
  /** What it finds of what earlier boots have written outside the home; `snapshot` where it is missing. */
  readonly overlay?: OverlayKind
  readonly flavour: {
    readonly id: number
    readonly memoryMb: number
    readonly cpuPercent: number
    /** Kept by the bridge's rules; without: no limit. */
    readonly rates?: NetworkRates
    /** Kept by its control group, or by QEMU; without: no limit. */
    readonly diskRates?: DiskRates
  }
  /** What it has for a home (homes/home-place.ts says where). */
  readonly home: Home
  readonly image: {
    readonly id: number
    readonly name: string
    readonly kind: DiskImageKind
    readonly path: string
    /** What its archive is called when it is unpacked; without: after the archive's path, size and time. */
    readonly unpackedName?: string
  }
}

/** What it takes to find the system of a desktop, with what the desktop has written over it. */
export type SystemSpec = Omit<DesktopSpec, 'home'>

/** Where hkd leaves boot tickets so that the agent of a desktop finds them. */
export interface TicketPlace {
  /** Brings a ticket; called again and again until the agent is enrolled. Throws when there is no such place yet. */
  put(ticket: BootTicket): void
  /** Takes back what was brought: it has done its work. */
  clear(): void
  /** Closes what is open. What was brought stays. */
  close(): void
}

/** Whether processes of a desktop exist on this node. */
export type Processes = 'present' | 'absent' | 'unknown'

/** What a look at a desktop tells. */
export interface Sighting {
  readonly processes: Processes
  /** Where its agent is reached, while it is present; `undefined`: at its address, on the port of all agents. */
  readonly agentAt?: AgentAt
}

/** A boot that did not come to an agent that answers. */
export interface FailedBoot {
  readonly epoch: number
  readonly fault: string
}

/**
 * Runs desktops on one node. Seven idempotent verbs and no stored handles: everything is found again by names that
 * derive from the desktop's number, so it does not matter who called what before. `test/hypervisor/suite.ts` is run
 * against every driver; callers get them through `inTurn`, which refuses what would harm a running desktop.
 */
export interface Hypervisor {
  readonly name: string
  /**
   * Long work that the disk image needs before any desktop can start from it, such as unpacking; `undefined`: none. It is done
   * ahead of `prepare`, once for all desktops of the image, and may be run again.
   */
  imageWork?(spec: Pick<DesktopSpec, 'image'>): (() => Promise<void>) | undefined
  /**
   * Makes image, overlay and run folder ready; an overlay that is not kept is empty. Throws `image.unusable`, `home.*`. Nothing runs
   * yet.
   */
  prepare(spec: DesktopSpec): Promise<void>
  /** Starts it, unless it runs. Throws `container.failed` or `machine.failed`; then nothing runs. */
  boot(spec: DesktopSpec): Promise<void>
  /** Looks. Never throws: what cannot be seen is `unknown`. */
  observe(id: number): Sighting
  /** Asks the guest to halt, and returns at once. */
  powerOff(id: number): Promise<void>
  /** Ends every process of the desktop, and returns when it has tried. */
  kill(id: number): Promise<void>
  /**
   * Frees what only a running desktop needs. Image, overlay and home stay; what a boot that failed has written may be put
   * aside (storage/guarded.ts).
   */
  release(id: number, failed?: FailedBoot): Promise<void>
  /**
   * Removes everything that the desktop has written on this node: its overlays, whichever image they lie over, and a pool's
   * desktop's home. The home of a user stays, and an overlay that goes with her. What runs is not touched.
   */
  reset(id: number): Promise<void>
  /** Looks what of that there is, one word each: what a reset has left, or was never there, is not in it. */
  written(id: number): Promise<readonly string[]>
  /**
   * Copies the system of a desktop at rest, as its next boot would find it, into a new image, and seals it where it can
   * (contract/sealed-system.ts). Absent: this driver makes no images.
   * @param target path of the image; what is there is replaced.
   * @returns of what kind it is.
   * @throws Fault `capture.failed`; then there is no image.
   */
  capture?(spec: SystemSpec, target: string, signal: AbortSignal): Promise<DiskImageKind>
  /** Where its guests look for tickets, when that is not the boot folder. */
  readonly tickets?: (id: number) => TicketPlace
  /** The end of what the present boot has said on its console, or the last one until it is released; never throws. */
  readonly consoleTail?: (id: number) => string
  /** What an administrator should know about a desktop that was booted here by this. */
  readonly warning?: (spec: DesktopSpec) => string | undefined
}

/** The drivers of a node. */
export interface Hypervisors {
  /** What runs desktops whose flavour names nothing. */
  readonly usual: HypervisorKind
  /** The same driver each time. */
  readonly by: (kind: HypervisorKind) => Hypervisor
}
