import {
  JOBS_PATH,
  type PreviewLine,
  ROLL_OUTS_PATH,
  type RollOutPreview,
  rollOutBody,
  runBody,
} from '@ostler/contract/jobs.ts'
import { parseAtTime } from '../model/at-time.ts'
import { isTried, type RollOutSettings } from '../model/roll-out.ts'
import { AT_REST } from '../model/start-queue.ts'
import { imageByName } from '../store/admin.ts'
import { type PreviewedDesktop, previewRollOut, runRollOut } from '../store/roll-outs.ts'
import { rollOut } from './answers.ts'
import { jobNumber } from './jobs.ts'
import { type Route, route } from './route.ts'

/** Previews roll-outs of disk images, and begins what was previewed. */
export function rollOutRoutes(): Route[] {
  return [
    route({
      method: 'post',
      path: ROLL_OUTS_PATH,
      summary: 'Previews a roll-out of a disk image: nothing happens yet.',
      needs: 'job.change',
      body: rollOutBody,
      answer: rollOut,
      status: 201,
      run: async ({ db, caller, body: asked }) => {
        const { di, di_id, tag, canary, wave, pause, soft, hard, idle, ...more } = asked
        const times = whenNow({ soft, hard })
        const settings = { canary, wave, pauseMs: pause * 1_000, soft, hard, idle, stopOn: more['stop-on'] }
        const imageId = di_id ?? (await imageByName(db, di ?? ''))
        const preview = await previewRollOut(db, { imageId, tag, settings, by: caller.name })
        const { jobId, token, image, old, waves, desktops } = preview
        const lines = desktops.map((desktop) => line(desktop, settings, times))
        return { job: jobId, token, image, old, tag, waves, lines } satisfies RollOutPreview
      },
    }),
    route({
      method: 'post',
      path: `${JOBS_PATH}/:number/run`,
      summary: 'Begins a job that was previewed, unless the world has changed meanwhile.',
      needs: 'job.change',
      body: runBody,
      run: async ({ db, part, caller, body: { token } }) => {
        await runRollOut(db, jobNumber(part('number')), token, caller.name)
        return {}
      },
    }),
  ]
}

interface Times {
  readonly soft: Date | undefined
  readonly hard: Date | undefined
}

/** What its times would be if a wave were sent now. @throws Fault `time.invalid`. */
function whenNow({ soft, hard }: Pick<RollOutSettings, 'soft' | 'hard'>): Times {
  const now = new Date()
  const at = (text: string | undefined): Date | undefined =>
    text === undefined ? undefined : parseAtTime(text, now)
  return { soft: at(soft), hard: at(hard) }
}

function line(desktop: PreviewedDesktop, settings: RollOutSettings, times: Times): PreviewLine {
  const { name: vm, state, host, user, runs, wave } = desktop
  return { vm, state, host, user, runs, wave, does: fateOf(desktop, settings, times) }
}

/** What becomes of a desktop when its wave is sent, in words. */
function fateOf(desktop: PreviewedDesktop, settings: RollOutSettings, { soft, hard }: Times): string {
  if (AT_REST.includes(desktop.state))
    return isTried(desktop, settings) ? 'is started to try it' : 'gets it at its next start'
  if (!desktop.used && settings.idle === 'restart') return 'is started anew at once'
  const told = soft === undefined ? [] : [`is told at ${soft.toISOString()}`]
  const ended = hard === undefined ? [] : [`is started anew at ${hard.toISOString()}`]
  const does = [...told, ...ended]
  return does.length === 0 ? 'gets it at its next start' : does.join(', ')
}
