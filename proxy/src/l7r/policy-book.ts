import type { Log } from '@ostler/kit/log.ts'
import {
  type Circumstances,
  decidePolicy,
  type Grant,
  type PolicyRule,
  type Refusal,
} from '../model/policy.ts'
import type { Db } from '../store/open.ts'
import { readPolicyRules } from '../store/policy-rules.ts'

/** The administrator's rules, kept in memory: a decision costs no question to the database. */
export class PolicyBook {
  readonly #db: Db
  readonly #log: Log
  #rules: readonly PolicyRule[]

  private constructor(db: Db, rules: readonly PolicyRule[], log: Log) {
    this.#db = db
    this.#rules = rules
    this.#log = log
  }

  /** @throws when the rules cannot be read: a door without them would let everybody in. */
  static async open(db: Db, log: Log): Promise<PolicyBook> {
    return new PolicyBook(db, await readPolicyRules(db), log)
  }

  /** Reads the rules again. Never rejects: while the database is away the last ones count. */
  async reload(): Promise<void> {
    try {
      this.#rules = await readPolicyRules(this.#db)
    } catch (error) {
      this.#log.warn('the policy rules could not be read: the last ones count', { error })
    }
  }

  decide(circumstances: Circumstances): Grant | Refusal {
    return decidePolicy(this.#rules, circumstances)
  }
}
