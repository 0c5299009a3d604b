import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { Writable } from 'node:stream'
import type { LogSink, LossNotice } from './sink.ts'
import { StreamSink } from './stream-sink.ts'
import { rfc5424, type SyslogSender } from './syslog-message.ts'

/** Syslog over UDP: one message of RFC 5424 in each datagram (RFC 5426). */
export function syslogUdp(
  server: { host: string; port: number },
  sender: SyslogSender,
  notice: LossNotice,
): LogSink {
  return new StreamSink({
    notice,
    pauseMs: [1_000, 30_000],
    frame: (line, level) => rfc5424(sender, line, level),
    open: (ready, gone) => {
      const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4').unref()
      const stream = datagrams(socket)
      // A refused datagram comes back as an error of the socket, not of the one who sent it.
      socket.on('error', () => stream.destroy())
      stream.on('error', () => {}) // 'close' follows
      stream.once('close', gone)
      // Connected, so that the name is looked up once and we hear when nobody listens.
      socket.once('connect', ready)
      socket.connect(server.port, server.host)
      return { stream, end: () => stream.end(), kill: () => stream.destroy() }
    },
  })
}

/** A stream whose every chunk becomes a datagram. */
function datagrams(socket: Socket): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, done),
    destroy: (error, done) => socket.close(() => done(error)),
  })
}
