import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that it has started and not yet buried. */
function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(treeOf)]
}

/** CPU seconds of a process and its children: what the scheduler has counted, to the nanosecond: a tick of `stat` is as long as a hundred messages take. */
export function cpuOfTree(pid: number): number {
  const tasks = treeOf(pid).flatMap((each) =>
    readdirSync(`/proc/${each}/task`).map((task) => `/proc/${each}/task/${task}/schedstat`),
  )
  return tasks.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8').split(' ')[0]) / 1e9, 0)
}

/** Kilobytes in memory of a process and its children. */
export function rssOfTree(pid: number): number {
  return treeOf(pid).reduce((sum, each) => {
    const [, kb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, 'utf8')) ?? []
    return sum + Number(kb ?? 0)
  }, 0)
}
