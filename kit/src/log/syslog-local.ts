import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { complain } from './complain.ts'
import type { LogSink, LossNotice } from './sink.ts'
import { StreamSink } from './stream-sink.ts'
import { cut, priority, type SyslogSender } from './syslog-message.ts'

const PAUSE_MS = 5_000
/** Characters of its last words. */
const SAID = 500
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
}

/**
 * Syslog of this machine, through util-linux's `logger`: Node has no unix datagram sockets. One `logger` lives
 * as long as the log; it ends with its input, also when we are killed.
 *
 * @param socket usually `/dev/log`.
 */
export function syslogLocal(socket: string, sender: SyslogSender, notice: LossNotice): LogSink {
  const args = [
    ['--socket', socket],
    // Without a daemon it ends with an error, else it would swallow the lines.
    ['--socket-errors=on'],
    [`--id=${sender.pid}`],
    ['--tag', sender.tag],
    ['--prio-prefix'],
    ['--size', '8192'],
  ].flat()
  return new StreamSink({
    notice,
    pauseMs: [PAUSE_MS, PAUSE_MS],
    frame: (line, level) => `${cut(priority(sender.facility, level) + line)}\n`,
    open: (ready, gone) => {
      const child = spawn('logger', args, { env: ENVIRONMENT, stdio: ['pipe', 'ignore', 'pipe'] })
      child.unref()
      const pipes = [child.stdin, child.stderr] as Socket[]
      for (const pipe of pipes) pipe.unref().on('error', () => {}) // its end follows
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-SAID)))
      const ended = (why: string): void => {
        if (why !== '') complain(`log lines do not reach ${socket}: ${why.trim()}`)
        gone()
      }
      child.once('error', (error) => ended(error.message))
      child.once('exit', () => ended(said))
      ready()
      return { stream: child.stdin, end: () => child.stdin.end(), kill: () => child.kill('SIGKILL') }
    },
  })
}
