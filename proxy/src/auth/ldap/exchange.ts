import type { Secret } from '@ostler/kit/secret.ts'
import {
  BindRequest,
  ExtendedRequest,
  FilterParser,
  PagedResultsControl,
  SearchRequest,
  UnbindRequest,
} from 'ldapts'
import type { Socket } from 'node:net'
import {
  type Answer,
  BIND_RESPONSE,
  type DirectoryEntry,
  EXTENDED_RESPONSE,
  type Result,
  SEARCH_DONE,
  takeAnswer,
} from './answers.ts'
import { DirectoryTrouble } from './trouble.ts'

export interface SearchQuestion {
  readonly base: string
  readonly scope: 'base' | 'one' | 'sub'
  readonly deref: 'never' | 'search' | 'find' | 'always'
  /** As text, with everything that a user typed escaped. */
  readonly filter: string
  readonly attributes: readonly string[]
  /** How many entries are wanted; what comes beyond is counted and dropped. 0: any. */
  readonly sizeLimit: number
  /** Seconds that the directory may look for them. */
  readonly timeLimit: number
  /** Asks for so many at a time, from where `cookie` says. */
  readonly page?: { readonly size: number; readonly cookie: Buffer }
}

export interface SearchFindings {
  readonly entries: readonly DirectoryEntry[]
  /** How many there were, also of those that were dropped. */
  readonly count: number
  /** Where else the directory says to look. */
  readonly references: readonly string[]
  readonly result: Result
}

const START_TLS = '1.3.6.1.4.1.1466.20037'
/** So much may come over one connection: thousands of names of groups are a fraction of it. */
const MAX_RECEIVED = 16 << 20
/** How long a farewell may take to be sent. */
const CLOSE_MS = 1_000

interface Question {
  readonly id: number
  /** The tag of the answer that ends it. */
  readonly operation: number
  readonly onPart: (answer: Answer) => void
  readonly answered: PromiseWithResolvers<Result>
}

/**
 * Speaks LDAP over a connection of its own, one question after the other. It never connects by itself: what was
 * encrypted or bound once is so for every question, or the question fails (docs/decisions/0022).
 *
 * All methods throw DirectoryTrouble when no answer can come.
 */
export class Exchange {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #total = 0
  #lastId = 0
  #question: Question | undefined
  #trouble: DirectoryTrouble | undefined

  /** @param socket is connected, and nobody else reads it. */
  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
    if (socket.destroyed) this.#onClose()
  }

  /**
   * Binds by name and password. What the directory says is the caller's to judge.
   * @throws Error for an empty name or password: many directories take those for "nobody in particular" and say yes.
   */
  async bind(name: string, password: Secret): Promise<Result> {
    if (name === '' || password.reveal() === '') throw new Error('no bind without a name and a password')
    return await this.#ask(BIND_RESPONSE, (messageId) =>
      new BindRequest({ messageId, dn: name, password: password.reveal() }).write(),
    )
  }

  /** @throws Error when the filter is none. */
  async search(question: SearchQuestion): Promise<SearchFindings> {
    const { base: baseDN, scope, deref: derefAliases, sizeLimit, timeLimit, page } = question
    const filter = FilterParser.parseString(question.filter)
    const controls =
      page === undefined ? [] : [new PagedResultsControl({ value: { size: page.size, cookie: page.cookie } })]
    const entries: DirectoryEntry[] = []
    const references: string[] = []
    let count = 0
    const attributes = [...question.attributes]
    const result = await this.#ask(
      SEARCH_DONE,
      (messageId) =>
        new SearchRequest({
          messageId,
          baseDN,
          scope,
          derefAliases,
          sizeLimit,
          timeLimit,
          filter,
          attributes,
          controls,
        }).write(),
      (answer) => {
        if (answer.kind === 'reference') references.push(...answer.uris)
        if (answer.kind !== 'entry') return
        count += 1
        if (sizeLimit === 0 || count <= sizeLimit) entries.push(answer.entry)
      },
    )
    return { entries, count, references, result }
  }

  /**
   * Asks the directory to speak TLS from here on. On success this exchange has ended and its socket is the caller's.
   * What came unencrypted behind the answer would be taken for a part of the encrypted ones: that is trouble.
   */
  async startTls(): Promise<Result> {
    const result = await this.#ask(EXTENDED_RESPONSE, (messageId) =>
      new ExtendedRequest({ messageId, oid: START_TLS }).write(),
    )
    if (result.code !== 0) return result
    const left = this.#received.length + this.#socket.readableLength
    this.#release()
    this.#socket.pause()
    if (left > 0)
      throw new DirectoryTrouble('sent more than its answer before TLS began: somebody may be in between', {
        isDown: true,
      })
    return result
  }

  /** Says farewell and closes. Safe to call at any time, also when the other end has stopped reading. */
  end(): void {
    this.#release()
    const socket = this.#socket
    if (socket.destroyed || this.#trouble !== undefined || this.#question !== undefined) {
      socket.destroy()
      return
    }
    const timer = setTimeout(() => socket.destroy(), CLOSE_MS)
    socket.once('close', () => clearTimeout(timer))
    socket.end(new UnbindRequest({ messageId: this.#lastId + 1 }).write(), () => socket.destroy())
  }

  async #ask(
    operation: number,
    write: (id: number) => Buffer,
    onPart: (answer: Answer) => void = () => {},
  ): Promise<Result> {
    if (this.#trouble !== undefined) throw this.#trouble
    if (this.#question !== undefined) throw new Error('one question at a time')
    this.#lastId += 1
    const answered = Promise.withResolvers<Result>()
    this.#question = { id: this.#lastId, operation, onPart, answered }
    this.#socket.write(write(this.#lastId))
    return await answered.promise
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#total += chunk.length
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    try {
      if (this.#total > MAX_RECEIVED)
        throw new DirectoryTrouble('answered more than anybody needs', { isDown: false })
      for (let taken = takeAnswer(this.#received); taken !== undefined; taken = takeAnswer(this.#received)) {
        this.#received = this.#received.subarray(taken.end)
        this.#hear(taken.answer)
      }
    } catch (error) {
      this.#fail(error as DirectoryTrouble)
      this.#socket.destroy()
    }
  }

  #hear(answer: Answer): void {
    const question = this.#question
    if (answer.id !== question?.id) return
    if (answer.kind !== 'result' || answer.operation !== question.operation) return question.onPart(answer)
    this.#question = undefined
    question.answered.resolve(answer.result)
  }

  readonly #onError = (cause: Error): void => {
    this.#fail(new DirectoryTrouble(`broke the connection: ${cause.message}`, { isDown: true, cause }))
  }

  readonly #onClose = (): void => {
    this.#fail(new DirectoryTrouble('closed the connection before it answered', { isDown: true }))
  }

  #fail(trouble: DirectoryTrouble): void {
    this.#trouble ??= trouble
    this.#question?.answered.reject(this.#trouble)
    this.#question = undefined
  }

  #release(): void {
    this.#socket.off('data', this.#onData).off('close', this.#onClose)
    // Errors that come late are nobody's any more, and must not end the process.
  }
}
