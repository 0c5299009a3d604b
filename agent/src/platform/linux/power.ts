import { run } from '@ostler/kit/run.ts'
import { existsSync } from 'node:fs'

/** Halts the guest: through systemd where that runs, else by asking the first process. */
export async function halt(): Promise<void> {
  if (existsSync('/run/systemd/system')) await run('/usr/bin/systemctl', ['poweroff', '--no-block'])
  else process.kill(1, 'SIGTERM')
}
