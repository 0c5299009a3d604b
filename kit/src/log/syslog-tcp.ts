import { connect } from 'node:net'
import type { LogSink, LossNotice } from './sink.ts'
import { StreamSink } from './stream-sink.ts'
import { octetCounted, rfc5424, type SyslogSender } from './syslog-message.ts'

const CONNECT_MS = 5_000
/** A server that takes nothing for so long is given up. */
const STALL_MS = 30_000

/** Syslog over TCP: RFC 5424 in the frames of RFC 6587. */
export function syslogTcp(
  server: { host: string; port: number },
  sender: SyslogSender,
  notice: LossNotice,
): LogSink {
  return new StreamSink({
    notice,
    pauseMs: [1_000, 30_000],
    frame: (line, level) => octetCounted(rfc5424(sender, line, level)),
    open: (ready, gone) => {
      const socket = connect({ ...server, keepAlive: true, keepAliveInitialDelay: 60_000 }).unref()
      socket.setTimeout(CONNECT_MS)
      socket.once('connect', () => {
        socket.setTimeout(STALL_MS)
        ready()
      })
      socket.on('timeout', () => {
        if (socket.connecting || socket.writableLength > 0) socket.destroy()
      })
      socket.on('error', () => {}) // 'close' follows
      socket.once('close', gone)
      socket.resume() // only so can we see that the server hangs up
      return { stream: socket, end: () => socket.end(), kill: () => socket.destroy() }
    },
  })
}
