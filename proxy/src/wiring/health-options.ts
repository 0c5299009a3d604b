import { integer } from '@ostler/kit/config.ts'
import type { AgentPatience } from '../model/agent-verdict.ts'
import type { RetryRules } from '../model/start-retry.ts'

const VMA_FAILED = 'internal.hkd.vmhandler.vma.failed'

/** Keys about what becomes of desktops that are not well (docs/health.md). QVD's names where QVD has them. */
export const HEALTH_OPTIONS = {
  [`${VMA_FAILED}.max_count.on.running`]: integer(
    'attempts to reach the agent of a running desktop in vain, after which it may be stopped',
    10,
    1,
    1_000_000,
  ),
  [`${VMA_FAILED}.max_time.on.running`]: integer(
    'seconds for which its agent must be silent as well; a desktop where somebody sits is never stopped for it',
    320,
    15,
    604_800,
  ),
  'hkd.start.retry.first': integer(
    'seconds until a start that failed is tried again by itself; each further wait is twice as long',
    5,
    1,
    86_400,
  ),
  'hkd.start.retry.longest': integer('the longest such wait in seconds', 600, 1, 86_400),
  'hkd.start.failures.max': integer(
    'starts in a row that may fail; then only an administrator starts it again',
    5,
    1,
    1_000,
  ),
  'log.keep.days': integer('days for which the log of desktops is kept; 0: for ever', 400, 0, 36_500),
} as const

/** What hkd goes by. */
export function healthRules(config: Readonly<Record<keyof typeof HEALTH_OPTIONS, number>>): {
  readonly patience: AgentPatience
  readonly retries: RetryRules
} {
  return {
    patience: {
      attempts: config[`${VMA_FAILED}.max_count.on.running`],
      ms: config[`${VMA_FAILED}.max_time.on.running`] * 1_000,
    },
    retries: {
      firstMs: config['hkd.start.retry.first'] * 1_000,
      longestMs: config['hkd.start.retry.longest'] * 1_000,
      failuresMax: config['hkd.start.failures.max'],
    },
  }
}
