// Stands between client and agent as a door does, in a process of its own: TLS on both sides, its own splice. PORT CERT KEY.
import { displayOn } from '@ostler/proxy/display/display-socket.ts'
import { splice } from '@ostler/proxy/display/splice.ts'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'

const [port = '', cert = '', key = ''] = process.argv.slice(2)
const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (client) => {
  client.on('error', () => client.destroy())
  const agent = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false })
  agent.on('error', () => agent.destroy())
  agent.once(
    'secureConnect',
    () => void splice(client, displayOn(agent), { signal: new AbortController().signal }),
  )
})
await once(server.listen(0, '127.0.0.1'), 'listening')
console.log((server.address() as AddressInfo).port)
process.stdin.resume().once('end', () => process.exit())
