import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Ends a program on Windows with all that it has started. There are no groups and no signals there: taskkill ends the tree, and
 * the program itself is ended in any case.
 *
 * @param taskkill where that program is.
 */
export function endWindowsTree(
  child: ChildProcess,
  taskkill = `${process.env['SystemRoot'] ?? 'C:\\Windows'}\\System32\\taskkill.exe`,
): void {
  const { pid } = child
  if (pid === undefined) return
  const killer = spawn(taskkill, ['/T', '/F', '/PID', String(pid)], { stdio: 'ignore', windowsHide: true })
  const end = (): void => void child.kill('SIGKILL')
  killer.once('error', end)
  killer.once('close', end)
}
