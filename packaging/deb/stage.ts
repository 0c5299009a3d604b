import {
  chmodSync,
  copyFileSync,
  lstatSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'

/**
 * The tree of a package while it is put together. Places are from the root of the machine that installs it, without the
 * first slash; folders come into being by themselves.
 */
export class Stage {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** Writes a file that nobody executes. */
  write(place: string, content: string | Uint8Array, mode = 0o644): void {
    writeFileSync(this.#room(place), content)
    chmodSync(join(this.folder, place), mode)
  }

  /** Copies a file; it is executable where it says so. */
  copy(place: string, source: string, mode: 0o644 | 0o755 = 0o644): void {
    copyFileSync(source, this.#room(place))
    chmodSync(join(this.folder, place), mode)
  }

  /** Copies a folder with all that is below; what is executable stays so. */
  copyAll(place: string, source: string): void {
    for (const entry of readdirSync(source, { withFileTypes: true })) {
      const [from, to] = [join(source, entry.name), join(place, entry.name)]
      if (entry.isDirectory()) this.copyAll(to, from)
      else this.copy(to, from, (lstatSync(from).mode & 0o100) === 0 ? 0o644 : 0o755)
    }
  }

  /** One more name for a file of the tree: it is there once. */
  sameAs(place: string, other: string): void {
    linkSync(join(this.folder, other), this.#room(place))
  }

  /** A link whose text is as given. */
  pointTo(place: string, target: string): void {
    symlinkSync(target, this.#room(place))
  }

  /** Every file and link, sorted, without those of dpkg. */
  files(): string[] {
    return this.#below(this.folder)
      .map((path) => relative(this.folder, path))
      .filter((place) => !place.startsWith('DEBIAN/') && !this.stat(place).isDirectory())
  }

  stat(place: string): ReturnType<typeof lstatSync> & object {
    return lstatSync(join(this.folder, place))
  }

  /** Gives everything one time, and folders the mode that they have everywhere. */
  settle(seconds: number): void {
    for (const path of [...this.#below(this.folder), this.folder]) {
      if (lstatSync(path).isDirectory()) chmodSync(path, 0o755)
      lutimesSync(path, seconds, seconds)
    }
  }

  #room(place: string): string {
    const path = join(this.folder, place)
    mkdirSync(dirname(path), { recursive: true })
    return path
  }

  /** What is in a folder comes before the folder. */
  #below(folder: string): string[] {
    return readdirSync(folder)
      .sort()
      .flatMap((name) => {
        const path = join(folder, name)
        return lstatSync(path).isDirectory() ? [...this.#below(path), path] : [path]
      })
  }
}
