import pg from 'pg'
import type { Member, SilentHost, TickSight } from '../model/host-lease.ts'
import type { DatabaseAddress } from './open.ts'

/** A node that has been heard of within so long is not looked at: those that tick are not what a tick is about. */
const SILENT_SECONDS = 3

/** Of so many ticks one reads all members, whether there seems to be news of them or not. */
const ALL_MEMBERS_EVERY = 10

/** What a node is while others may have to take its desktops. */
const IN_SERVICE = `('starting', 'running', 'stopping')`

interface TickRow {
  readonly standing: string | null
  readonly newest: string
  readonly silent: readonly SilentHost[]
  readonly members: readonly Member[] | null
}

/**
 * One node's ticks, over a connection of their own: a tick that hangs must not wait for others, nor they for it. What has not come
 * back in time is given up with its connection.
 */
export class HostTick implements AsyncDisposable {
  readonly #address: DatabaseAddress
  readonly #hostId: number
  readonly #withinMs: number
  #client: Promise<pg.Client> | undefined
  #newest: string | undefined
  #count = 0

  /** @param withinMs how long a tick may take, a connection included. */
  constructor(address: DatabaseAddress, hostId: number, withinMs: number) {
    this.#address = address
    this.#hostId = hostId
    this.#withinMs = withinMs
  }

  /**
   * Says that the node lives, and looks at the others.
   * @param told the highest standing that the node knows of, for certain.
   * @returns `lost` when others have declared it lost: then it has said nothing.
   * @throws Error of the driver, or when it took too long.
   */
  async tick(told: number): Promise<TickSight | 'lost'> {
    const isAll = this.#newest === undefined || ++this.#count % ALL_MEMBERS_EVERY === 0
    const row = await this.#ask(told, isAll)
    if (row.standing === null) return 'lost'
    const hasNews = row.newest !== this.#newest
    const members = row.members ?? (hasNews ? (await this.#ask(told, true)).members : null)
    this.#newest = row.newest
    const standing = Number(row.standing)
    return { standing, silent: row.silent, ...(members === null ? {} : { members }) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.then((open) => open.end()).catch(() => {})
  }

  async #ask(told: number, allMembers: boolean): Promise<TickRow> {
    const connecting = (this.#client ??= this.#connect())
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the database does not answer')), this.#withinMs)
    })
    try {
      const client = await Promise.race([connecting, late])
      const answer = client.query<TickRow>(TICK, [this.#hostId, told, SILENT_SECONDS, allMembers])
      const { rows } = await Promise.race([answer, late])
      if (rows[0] === undefined) throw new Error('a tick without a row')
      return rows[0]
    } catch (error) {
      if (this.#client === connecting) this.#client = undefined
      // It may hang for ever: its end is not waited for.
      connecting.then((client) => client.end()).catch(() => {})
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.#address,
      application_name: 'ostler tick',
      connectionTimeoutMillis: this.#withinMs,
      query_timeout: this.#withinMs,
    })
    client.on('error', () => {})
    await client.connect()
    return client
  }
}

/** One snapshot: what is seen of others is at least as new as the moment when this was sent. */
const TICK = `
  WITH me AS (
    UPDATE ostler.host SET seen_at = clock_timestamp(), told_standing = $2
    WHERE id = $1 AND state <> 'lost' RETURNING standing),
  others AS (SELECT * FROM ostler.host WHERE id <> $1 AND standing > 0 AND state IN ${IN_SERVICE})
  SELECT (SELECT standing FROM me) AS standing, (SELECT last_value FROM ostler.standing) AS newest,
    (SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'seen', extract(epoch FROM seen_at)::text,
        'told', told_standing, 'lostAfterMs', lost_after_ms)), '[]')
      FROM others WHERE seen_at < clock_timestamp() - make_interval(secs => $3)) AS silent,
    CASE WHEN $4 THEN (
      SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'standing', standing,
        'address', peer_address, 'port', peer_port)), '[]') FROM others) END AS members`
