import { Fault } from '@ostler/contract/fault.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { AgentValues } from '../config/options.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { type FuseDevice, mountFolder, mountFuse, openFuse, unmountFuse } from './fuse-mount.ts'
import { HomeLink } from './home-link.ts'
import { SftpCount } from './sftp-count.ts'
import { shareName } from './share-name.ts'
import { allowShare, type ShareRequest } from './share-policy.ts'

/** The session in which folders appear. */
export interface SharingSession {
  readonly account: Account | undefined
  readonly pairs: Pairs
  readonly news: Observable<SessionEvent>
}

export interface SharingParts {
  readonly session: SharingSession
  readonly config: () => AgentValues
  readonly asUser: AsUser
  readonly log: Log
}

/** A client's folder that stands in the desktop. */
export interface SharedFolder {
  /** Its name there; QVD's clients call it the ticket. */
  readonly ticket: string
  /** Where the user finds it, as `~/Redirected/docs`. */
  readonly place: string
  readonly readOnly: boolean
  /** Why it was taken away, once it is gone. */
  readonly ended: Promise<Fault>
}

/** What kind of stream carries a folder. */
export interface LineRules {
  /**
   * So long, in milliseconds, a request may be without an answer. By default what is right for a line with signs of life of its
   * own; `SILENT_LINE_MS` for one without.
   */
  readonly answerMs?: number
  /**
   * Gets the name as soon as it is taken: on the slave channel the other end begins to speak when it has heard it, which is
   * before the first answer.
   */
  readonly named?: (name: string) => void
  /** The name must be the one that is wanted (`folder.taken`). By default one that is taken gets a number. */
  readonly exactName?: boolean
  /** Says to the other end why it is over, before the stream is ended. */
  readonly farewell?: (why: Fault) => void
}

interface Kept {
  /** Takes it away, once; resolves when nothing is left of it. */
  readonly end: (why: Fault) => Promise<void>
}

/** So long the first answer may take. */
const GREETING_MS = 10_000
/**
 * So long a client that lives may leave a request without an answer: its disk may have to begin to turn. One that does not
 * even live is noticed by its line (docs/decisions/0053).
 */
const ANSWER_MS = 15_000
/** For a line without signs of life, such as the slave channel: there a request without an answer is all that can be seen. */
export const SILENT_LINE_MS = 5_000
/** So long the other end may take to hear the last word. */
const FAREWELL_MS = 1_000
const TICK_MS = 500
const EXIT_MS = 2_000
const MAX_SHARES = 32
const TAIL = 2_000
/** What nobody may have of us, once the session has come to this. */
const OVER: ReadonlySet<string> = new Set(['suspended', 'stopping', 'stopped'])

/**
 * The folders of the client in this desktop. Each is an sshfs of the user's own, whose other end is a stream of SFTP; it
 * appears when the other end has answered, and is gone within moments when that goes, falls silent, or the session suspends.
 */
export class SharedFolders implements AsyncDisposable {
  readonly #parts: SharingParts
  readonly #kept = new Map<string, Kept | undefined>()
  /** Those that are being taken away. */
  readonly #ending = new Set<Promise<void>>()
  readonly #unsubscribe: () => void
  #closed = false

  constructor(parts: SharingParts) {
    this.#parts = parts
    let last = parts.session.news.value.state
    this.#unsubscribe = parts.session.news.subscribe(({ state }) => {
      const changed = state !== last
      last = state
      if (changed && OVER.has(state)) void this.endAll(`the session is ${state}`)
    })
  }

  /**
   * Mounts a folder that a client serves by SFTP version 3 on `stream`, which is ours from now on and closed in any case.
   *
   * @param head what came on the stream already.
   * @throws Fault `folder.refused`, `folder.taken`, `folder.unavailable`, `folder.lost`, `session.busy`.
   */
  async mount(
    request: ShareRequest,
    stream: Duplex,
    head: Buffer,
    rules: LineRules = {},
  ): Promise<SharedFolder> {
    stream.on('error', () => {}) // 'close' follows
    try {
      const { session } = this.#parts
      // Who shares one again at once is to find its name free.
      await Promise.all(this.#ending)
      const { account } = session
      if (account === undefined || this.#closed) throw new Fault('session.busy', { state: 'stopped' })
      const { readOnly } = allowShare(session.pairs, request)
      if (this.#kept.size >= MAX_SHARES)
        throw new Fault('folder.refused', { reason: `there are ${MAX_SHARES} already` })
      const name = shareName(request.name, rules.exactName === true ? new Set() : new Set(this.#kept.keys()))
      if (this.#kept.has(name)) throw new Fault('folder.taken', { name })
      this.#kept.set(name, undefined)
      try {
        if (rules.exactName === true && (await this.#link(account).holds(name)))
          throw new Fault('folder.taken', { name })
        rules.named?.(name)
        return await this.#open(name, account, { ...request, readOnly }, { stream, head, rules })
      } catch (error) {
        this.#kept.delete(name)
        throw error
      }
    } catch (error) {
      const why = asFault(error, this.#parts.log)
      hangUp(stream, rules, why)
      throw why
    }
  }

  /** Takes every folder away. */
  async endAll(reason: string): Promise<void> {
    const why = new Fault('folder.lost', { reason })
    await Promise.all([...this.#kept.values()].flatMap((kept) => kept?.end(why) ?? []))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    await this.endAll('the agent ends')
  }

  async #open(
    name: string,
    account: Account,
    { readOnly, charset }: ShareRequest,
    { stream, head, rules }: { readonly stream: Duplex; readonly head: Buffer; readonly rules: LineRules },
  ): Promise<SharedFolder> {
    const { config, asUser, log } = this.#parts
    const point = join(mountFolder(account), name)
    await unmountFuse(point) // what an agent before us may have left
    using device = openFuse()
    const sshfs = new Sshfs(asUser, account, config(), charset, device)
    const ended = Promise.withResolvers<Fault>()
    let ending: Promise<void> | undefined
    const link = this.#link(account)
    const takeAway = async (why: Fault): Promise<void> => {
      hangUp(stream, rules, why)
      await sshfs.kill()
      await unmountFuse(point)
      this.#kept.delete(name)
      if (this.#kept.size === 0) await link.remove()
      log.info('folder gone', { name, reason: why.message })
      ended.resolve(why)
    }
    const end = (why: Fault): Promise<void> => (ending ??= this.#noteEnding(takeAway(why)))
    this.#kept.set(name, { end })
    try {
      const line = new Line(stream, sshfs, end, rules.answerMs ?? ANSWER_MS)
      await line.greet(head)
      // The peer has answered, and sshfs has not heard it yet: it asks the device only after that.
      await mountFuse(device, point, name, account, readOnly)
      device[Symbol.dispose]() // with the last one who holds it the mount gives up, and that is to be sshfs
      line.begin()
      const place = await link.make()
      // Ended in this moment: it was not mounted yet when it was to be unmounted.
      if (ending !== undefined) {
        await unmountFuse(point)
        throw await ended.promise
      }
      log.info('folder stands', { name, readOnly, user: account.name })
      return { ticket: name, place: `${place}/${name}`, readOnly, ended: ended.promise }
    } catch (error) {
      await end(asFault(error, log))
      throw error
    }
  }

  #link(account: Account): HomeLink {
    const { config, asUser } = this.#parts
    return new HomeLink(account, config()['vma.user.shares.path'], mountFolder(account), asUser)
  }

  #noteEnding(ending: Promise<void>): Promise<void> {
    this.#ending.add(ending)
    return ending.finally(() => this.#ending.delete(ending))
  }
}

function asFault(error: unknown, log: Log): Fault {
  if (error instanceof Fault) return error
  log.error('folder failed', { error })
  return new Fault('server.internal', { reference: 'see the log' })
}

/** Says why, and closes, within a second. */
function hangUp(stream: Duplex, { farewell }: LineRules, why: Fault): void {
  if (stream.destroyed) return
  farewell?.(why)
  const deadline = setTimeout(() => stream.destroy(), FAREWELL_MS)
  stream.once('close', () => clearTimeout(deadline))
  stream.end()
  stream.resume()
}

/** One sshfs, as the user, which speaks SFTP on standard input and output and answers the device. */
class Sshfs {
  readonly child: ChildProcess
  readonly #exited: Promise<void>
  #words = ''

  constructor(
    asUser: AsUser,
    account: Account,
    config: AgentValues,
    charset: string | undefined,
    device: FuseDevice,
  ) {
    const owner = `uid=${account.uid},gid=${account.gid}`
    const names = charset === undefined || isUtf8(charset) ? [] : [...iconv(charset)]
    const args = ['-f', '-o', `passive,${owner}`, ...names, ...extraArguments(config['vma.sshfs.extra_args'])]
    this.child = asUser(account, config['command.sshfs'], [...args, 'client:', '/dev/fd/3'], {
      env: { PATH: DEFAULT_ENV.PATH, LC_ALL: DEFAULT_ENV.LC_ALL },
      stdio: ['pipe', 'pipe', 'pipe', device.fd],
    })
    this.child.stdin?.on('error', () => {}) // its end is heard by 'exit'
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.#words = (this.#words + chunk.toString()).slice(-TAIL)
    })
    this.#exited = new Promise((resolve) => {
      this.child.once('exit', () => resolve())
      this.child.once('error', (error) => {
        this.#words = error.message
        resolve()
      })
    })
  }

  /** Resolves with its last words when it has ended. */
  async ended(): Promise<string> {
    await this.#exited
    return this.#words.trim().split('\n').at(-1) ?? ''
  }

  /** Ends it and what it has started. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // it has ended in this moment
    }
    await withDeadline('the end of sshfs', EXIT_MS, () => this.#exited).catch(() => {})
  }
}

/** The two ends of a folder, and whether answers come. */
class Line {
  readonly #stream: Duplex
  readonly #sshfs: Sshfs
  readonly #end: (why: Fault) => Promise<void>
  readonly #asked = new SftpCount()
  readonly #answered = new SftpCount()
  readonly #early: Buffer[] = []
  readonly #greeted = Promise.withResolvers<undefined>()
  readonly #patience: number
  #begun = false
  #ticks = 0

  constructor(stream: Duplex, sshfs: Sshfs, end: (why: Fault) => Promise<void>, answerMs: number) {
    this.#stream = stream
    this.#sshfs = sshfs
    this.#end = end
    this.#patience = answerMs / TICK_MS
    this.#greeted.promise.catch(() => {})
  }

  /** Carries the first question, and waits for its answer, which is kept back. @throws Fault `folder.lost`. */
  async greet(head: Buffer): Promise<void> {
    const [stream, { child }] = [this.#stream, this.#sshfs]
    const timer = setInterval(() => this.#tick(), TICK_MS)
    void this.#sshfs.ended().then((words) => this.#over(words === '' ? 'sshfs has ended' : `sshfs: ${words}`))
    stream.once('close', () => {
      clearInterval(timer)
      this.#over(stream.errored ?? 'its line has ended')
    })
    stream.once('end', () => this.#over('the client has ended it'))
    if (stream.destroyed) clearInterval(timer)
    child.stdout?.on('data', (chunk: Buffer) => this.#ask(chunk))
    if (head.length > 0) this.#answer(head)
    stream.on('data', (chunk: Buffer) => this.#answer(chunk))
    try {
      await withDeadline('the first answer', GREETING_MS, () => this.#greeted.promise)
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error
      throw new Fault('folder.lost', { reason: 'the client does not answer' }, { cause: error })
    }
  }

  /** Lets sshfs hear the answer, and all that follow. */
  begin(): void {
    this.#begun = true
    for (const chunk of this.#early.splice(0)) this.#sshfs.child.stdin?.write(chunk)
  }

  #ask(chunk: Buffer): void {
    try {
      this.#asked.push(chunk)
    } catch (error) {
      return this.#over(error instanceof Error ? error : 'sshfs speaks no SFTP')
    }
    const { stdout } = this.#sshfs.child
    if (this.#stream.writable && !this.#stream.write(chunk)) {
      stdout?.pause()
      this.#stream.once('drain', () => stdout?.resume())
    }
  }

  #answer(chunk: Buffer): void {
    this.#ticks = 0
    try {
      this.#answered.push(chunk)
    } catch (error) {
      return this.#over(error instanceof Error ? error : 'it is no SFTP')
    }
    if (this.#answered.begun > 0) this.#greeted.resolve(undefined)
    if (!this.#begun) return void this.#early.push(chunk)
    const { stdin } = this.#sshfs.child
    if (stdin?.writable !== true || stdin.write(chunk)) return
    this.#stream.pause()
    stdin.once('drain', () => this.#stream.resume())
  }

  #tick(): void {
    const owed = this.#asked.begun > this.#answered.begun && !this.#stream.isPaused()
    this.#ticks = owed ? this.#ticks + 1 : 0
    if (this.#ticks > this.#patience) this.#over('the client does not answer')
  }

  #over(reason: Error | string): void {
    const why = reason instanceof Fault ? reason : new Fault('folder.lost', { reason: wordsOf(reason) })
    this.#greeted.reject(why)
    void this.#end(why)
  }
}

function wordsOf(reason: Error | string): string {
  return typeof reason === 'string' ? reason : reason.message
}

function isUtf8(charset: string): boolean {
  return /^utf-?8$/i.test(charset)
}

/** Names of another character set. It comes from a client and goes among options. */
function iconv(charset: string): readonly string[] {
  if (!/^[\w.:()+-]{1,40}$/.test(charset))
    throw new Fault('folder.refused', { reason: 'its character set has no proper name' })
  return ['-o', `modules=iconv,from_code=${charset},to_code=utf-8`]
}

/** `vma.sshfs.extra_args`, without a word of QVD's time that sshfs 3 does always and does not know any more. */
function extraArguments(text: string): readonly string[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return words.flatMap((word, index) => {
    if (word === 'atomic_o_trunc' && words[index - 1] === '-o') return []
    if (word === '-o' && words[index + 1] === 'atomic_o_trunc') return []
    return [word]
  })
}
