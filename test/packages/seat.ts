import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pixelOf } from '../fixtures/x-dump.ts'
import { until } from '../fixtures/world.ts'
import type { Machine } from './machine.ts'

const [WIDTH, HEIGHT] = [1280, 800]
const SCREEN = '/var/tmp/screen'
const DISPLAY = ':7'
const USER = 'sitter'
const PICTURE_MS = 120_000

/** Units of what a user has on a machine: they end with it. */
const UNITS = { server: 'seat-server', manager: 'seat-manager', client: 'seat-client' } as const

/** A user who sits at a machine: an X server with a window manager, and `ostler` in between. */
export class Seat {
  readonly #machine: Machine

  private constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Sits down. */
  static async take(machine: Machine): Promise<Seat> {
    const seat = new Seat(machine)
    await machine.run(['useradd', '--create-home', USER])
    await machine.run(['install', '-d', SCREEN])
    const server = ['Xvfb', DISPLAY, '-screen', '0', `${WIDTH}x${HEIGHT}x24`, '-noreset', '-nolisten', 'tcp']
    await seat.#unit(UNITS.server, 'root', [...server, '-fbdir', SCREEN])
    await until('the screen', async () => (await machine.try(['test', '-e', '/tmp/.X11-unix/X7'])).code === 0)
    // Without a window manager nxagent ignores the size it is asked for.
    await seat.#unit(UNITS.manager, USER, ['openbox'])
    return seat
  }

  /** Types what connects, and stays: the window is open until the desktop or the machine ends. */
  async type(lines: string): Promise<void> {
    await this.#unit(UNITS.client, USER, ['sh', '-e', '-c', lines])
  }

  /** Different colours that the screen shows; an empty one has one. */
  colours(): number {
    return this.#counted().size
  }

  /** Waits until a good part of the screen has a colour, `#rrggbb`. */
  async untilShown(colour: string): Promise<void> {
    const points = (WIDTH / 4) * (HEIGHT / 4)
    const shown = (): boolean => (this.#counted().get(colour) ?? 0) > points / 5
    await until(`${colour} to be shown`, shown, PICTURE_MS).catch(async (cause: unknown) => {
      const said = await this.#machine.try(['journalctl', '--no-pager', '--lines=30', '--unit', UNITS.client])
      throw new Error(`the screen stays otherwise; the client said: ${said.said}`, { cause })
    })
  }

  /** The processes by which the user sees her desktop: as long as they are the same, nothing was opened again. */
  async programs(): Promise<string> {
    return await this.#machine.run(['pgrep', '--list-name', '--uid', USER, '^(node|MainThread|nxproxy)'])
  }

  async #unit(name: string, user: string, argv: readonly string[]): Promise<void> {
    const settings = [`--unit=${name}`, `--uid=${user}`, '--collect', `--setenv=DISPLAY=${DISPLAY}`]
    const home = user === 'root' ? '/root' : `/home/${user}`
    await this.#machine.run(['systemd-run', '--quiet', ...settings, `--setenv=HOME=${home}`, '--', ...argv])
  }

  /** How many points of a grid have each colour. */
  #counted(): ReadonlyMap<string, number> {
    // The server maps this file into its memory.
    const dump = readFileSync(join(this.#machine.files, SCREEN, 'Xvfb_screen0'))
    const counts = new Map<string, number>()
    for (let y = 0; y < HEIGHT; y += 4)
      for (let x = 0; x < WIDTH; x += 4) {
        const colour = pixelOf(dump, x, y)
        counts.set(colour, (counts.get(colour) ?? 0) + 1)
      }
    return counts
  }
}
