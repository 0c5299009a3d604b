import {
  type JobLine,
  type JobOrder,
  JOBS_PATH,
  type JobShown,
  ROLL_OUTS_PATH,
  type RollOutPreview,
} from '@ostler/contract/jobs.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'
import type { Console } from './commands.ts'
import { table } from './table.ts'

const LOOK_MS = 500
/** Whom nobody has stopped watching by then has forgotten that she does. */
const LONGEST_MS = 7 * 86_400_000

type Print = Console['print']

/** `qa di roll-out di=… [tag=…] …`: prints what would happen to which desktop, and how it is begun. Nothing happens yet. */
export async function previewRollOut(
  asked: Readonly<Record<string, string>>,
  api: ApiClient,
  print: Print,
): Promise<void> {
  const { job, token, image, old, tag, waves, lines } = (await api.post(
    ROLL_OUTS_PATH,
    asked,
  )) as RollOutPreview
  print(
    `job ${job}: ${image} instead of ${old ?? 'none'} for the tag ${tag}: ${lines.length} VMs, ${waves} waves`,
  )
  for (const row of table(lines.map((line) => ({ ...line })))) print(`  ${row}`)
  print(`Nothing has happened yet. To begin: qa job run -f id=${job} token=${token} [--watch]`)
}

/** Prints the newest jobs. */
export async function listJobs(api: ApiClient, print: Print): Promise<void> {
  const jobs = (await api.get(JOBS_PATH)) as JobLine[]
  for (const row of table(jobs.map((job) => ({ ...job })))) print(row)
}

/** Prints one job with its desktops and its log; if it is watched, also what is added until it has ended or rests. */
export async function showJob(id: string, api: ApiClient, print: Print, watched: boolean): Promise<void> {
  const job = await readJob(id, 0, api)
  print(standOf(job))
  for (const row of table(job.items)) print(`  ${row}`)
  printLog(job, print)
  if (watched) await watchJob(id, api, print, job)
}

/** Begins a job that was previewed. */
export async function runJob(
  id: string,
  token: string,
  api: ApiClient,
  print: Print,
  watched: boolean,
): Promise<void> {
  await api.post(`${pathOf(id)}/run`, { token })
  print(`job ${id} begun`)
  if (watched) await watchJob(id, api, print)
}

/** Pauses, resumes or stops a job. */
export async function orderJob(
  order: JobOrder,
  id: string,
  api: ApiClient,
  print: Print,
  watched: boolean,
): Promise<void> {
  await api.post(`${pathOf(id)}/${order}`, {})
  print(`${order} of job ${id} asked for`)
  if (watched) await watchJob(id, api, print)
}

/** Prints what is added to the log, and how the job stands when that changes. */
async function watchJob(id: string, api: ApiClient, print: Print, known?: JobShown): Promise<void> {
  let last = known
  const end = performance.now() + LONGEST_MS
  while (performance.now() < end) {
    const job = await readJob(id, last?.log.at(-1)?.number ?? 0, api)
    printLog(job, print)
    if (last === undefined || standOf(job) !== standOf(last)) print(standOf(job))
    if (job.state === 'failed' || job.state === 'rolled back')
      throw new Fault('job.failed', { job: job.id, state: job.state, reason: job.reason })
    if (!['running', 'stopping'].includes(job.state)) return
    last = { ...job, log: job.log.length > 0 ? job.log : (last?.log ?? []) }
    await sleep(LOOK_MS)
  }
}

function standOf({ id, state, progress, reason }: JobLine): string {
  return `job ${id} is ${state}: ${progress}${reason === '' ? '' : ` (${reason})`}`
}

function printLog({ log }: JobShown, print: Print): void {
  for (const { at, text } of log) print(`${at}  ${text}`)
}

async function readJob(id: string, after: number, api: ApiClient): Promise<JobShown> {
  return (await api.get(`${pathOf(id)}?after=${after}`)) as JobShown
}

function pathOf(id: string): string {
  return `${JOBS_PATH}/${encodeURIComponent(id)}`
}
