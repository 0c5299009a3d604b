import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addToken } from '../../../proxy/src/store/tokens.ts'
import { DoorRoom } from '../../fixtures/door-room.ts'
import { freePort } from '../../fixtures/world.ts'
import { cpuOfTree, rssOfTree } from '../processes.ts'
import type { Door } from './clients.ts'
import { playFarEnd } from './far-end.ts'

/** A door of the bench. */
export interface Peer extends AsyncDisposable {
  readonly name: string
  readonly door: Door
  /** CPU seconds of its processes so far. */
  cpu(): number
  /** CPU seconds of the database behind it, 0 without one. */
  databaseCpu(): number
  /** Resident memory of its processes in KB. */
  rss(): number
}

/** Ostler's own door, the real process, with scripted guests behind it. */
export async function openOstler(sessions: number): Promise<Peer & { readonly room: DoorRoom }> {
  const room = await DoorRoom.open({ 'l7r.limit.connections_per_address': '0' })
  try {
    await room.addUsers(['bench'], 'not used')
    const ids: number[] = []
    for (let i = 0; i < sessions; i++)
      ids.push((await room.addDesktop('bench', `desktop${i}`, { display: playFarEnd })).id)
    const { id: userId } = await room.db
      .selectFrom('users')
      .select('id')
      .where('login', '=', 'bench')
      .executeTakeFirstOrThrow()
    const token = randomBytes(24).toString('hex')
    const digest = createHash('sha256').update(token).digest()
    await addToken(room.db, { digest, userId, multiUse: true, seconds: 86_400 })
    return {
      name: 'Ostler',
      room,
      door: { port: room.port, ids, token },
      cpu: () => cpuOfTree(room.doorPid),
      databaseCpu: () => cpuOfTree(room.postmasterPid),
      rss: () => rssOfTree(room.doorPid),
      [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
    }
  } catch (error) {
    await room[Symbol.asyncDispose]()
    throw error
  }
}

/** The certificate and key of Ostler's door as one file, for the others. */
export function certificateOf(room: DoorRoom, folder: string): string {
  const state = join(room.node.settings.folder, 'state/l7r')
  const file = join(folder, 'both.pem')
  mkdirSync(folder, { recursive: true })
  const both = ['cert.pem', 'key.pem'].map((name) => readFileSync(join(state, name), 'utf8'))
  writeFileSync(file, both.join('\n'), { mode: 0o600 })
  return file
}

/** What HAProxy and nginx forward to: answers an upgrade and is the far end from then on. */
export async function openBackend(): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let head = ''
    const read = (data: Buffer): void => {
      head += data.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', read)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: QVD/1.0\r\n\r\n')
      playFarEnd(socket)
    }
    socket.on('data', read)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Debian's HAProxy with its stock configuration and one thread. */
export async function openHaproxy(folder: string, certificate: string, backend: number): Promise<Peer> {
  const port = await freePort()
  const stock = readFileSync('/etc/haproxy/haproxy.cfg', 'utf8')
    // What needs a syslog, a user or a chroot of its own.
    .replace(/^\s*(log\s|chroot|stats|user|group|daemon).*$/gm, '')
    .replace(/^global$/m, 'global\n\tnbthread 1\n\tmaxconn 8192')
    // Idle sessions stay.
    .replace(/^defaults$/m, 'defaults\n\ttimeout tunnel 1h')
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `${stock}\nfrontend door\n\tbind 127.0.0.1:${port} ssl crt ${certificate}\n\tdefault_backend far\n` +
      `backend far\n\tserver far 127.0.0.1:${backend}\n`,
  )
  return await openProgram('HAProxy', port, '/usr/sbin/haproxy', ['-db', '-f', file])
}

/** Debian's nginx with one worker and the buffers it comes with. */
export async function openNginx(folder: string, certificate: string, backend: number): Promise<Peer> {
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(' ')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.error')};
events { worker_connections 16384; }
http { ${temporary} access_log ${join(folder, 'nginx.access')};
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${certificate}; ssl_certificate_key ${certificate};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:door:10m;
    location / { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade"; proxy_read_timeout 1h; proxy_send_timeout 1h; } } }
`,
  )
  return await openProgram('nginx', port, '/usr/sbin/nginx', ['-c', file, '-e', join(folder, 'nginx.error')])
}

async function openProgram(name: string, port: number, program: string, args: string[]): Promise<Peer> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-2_000)))
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  const pid = child.pid ?? 0
  for (let waited = 0; !(await answers(port)); waited += 20) {
    if (waited > 10_000 || child.exitCode !== null || pid === 0) {
      child.kill('SIGKILL')
      throw new Error(`${name} did not start: ${said}`)
    }
    await sleep(20)
  }
  return {
    name,
    door: { port, ids: [1], token: 'bench' },
    cpu: () => cpuOfTree(pid),
    databaseCpu: () => 0,
    rss: () => rssOfTree(pid),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(hard)
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
