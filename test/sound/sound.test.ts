import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChannelClient, connectWithChannels } from '../fixtures/channel-client.ts'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { measureTone, SAMPLES, startSoundServer, type TestSoundServer } from '../fixtures/sound-server.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const SOUND = { printers: [], sound: true, microphone: false } as const

let screen: XScreen
let guest: Guest
let server: TestSoundServer
let client: ChannelClient
const display = process.env['DISPLAY']

beforeAll(async () => {
  screen = await openScreen()
  process.env['DISPLAY'] = screen.display
  server = await startSoundServer()
  guest = await startGuest({ config: ['vma.audio.enable = 1'] })
})
afterAll(async () => {
  await guest[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await screen[Symbol.asyncDispose]()
  if (display === undefined) delete process.env['DISPLAY']
  else process.env['DISPLAY'] = display
})

const come = async (microphone = false): Promise<void> => {
  client = await connectWithChannels(guest, { ...SOUND, microphone }, server.environment)
}
const asAnn = async (...argv: string[]): Promise<string> => {
  const uid = (await guest.inside('id', '-u', 'ann')).trim()
  const become = ['setpriv', '--reuid=ann', '--regid=ann', '--init-groups', 'env', '-i']
  const environment = ['HOME=/home/ann', `XDG_RUNTIME_DIR=/run/user/${uid}`, 'PATH=/usr/bin:/bin', 'LC_ALL=C']
  return await guest.inside(...become, ...environment, ...argv)
}
const untilSink = (sink: string): Promise<void> =>
  until(`the sink ${sink}`, () =>
    asAnn('pactl', 'get-default-sink').then(
      (name) => name.trim() === sink,
      () => false,
    ),
  ).catch((error: unknown) => {
    throw new Error(guest.read('/var/log/ostler/qvd.log'), { cause: error })
  })
const play = async (hertz: number, seconds: number): Promise<void> => {
  const tone = `sox -q -n -r 44100 -b 16 -c 2 -t wav /tmp/${hertz}.wav synth ${seconds} sine ${hertz} vol 0.5`
  await asAnn('sh', '-c', `test -e /tmp/${hertz}.wav || ${tone}; paplay /tmp/${hertz}.wav`)
}

test('a tone that is played in the desktop is heard at the client, as high and as loud', async () => {
  await come()
  await untilSink('QVD_Audio')
  const playing = play(440, 4)
  const heard = await until('the tone', async () => (await server.hear(0.8)).level > 0.45).then(() =>
    server.hear(1.5),
  )
  await playing
  expect(heard.hertz).toBeGreaterThan(430)
  expect(heard.hertz).toBeLessThan(450)
  expect(heard.level).toBeCloseTo(0.5, 1)
})

test('a program that plays goes on while the client is away, and is heard again when she is back', async () => {
  const playing = play(660, 25).catch(() => {})
  await until('the tone', async () => (await server.hear(0.8)).level > 0.45)
  await client.leave()
  await untilSink('auto_null')
  expect((await server.hear(0.8)).level).toBe(0)
  await come()
  await untilSink('QVD_Audio')
  await until('the tone again', async () => (await server.hear(0.8)).level > 0.45)
  const { hertz } = await server.hear(1.5)
  expect(hertz).toBeGreaterThan(645)
  expect(hertz).toBeLessThan(675)
  await asAnn('pkill', '-x', 'paplay')
  await playing
})

test('without being asked for, the microphone is not there, and no way leads to it', async () => {
  expect(await asAnn('pactl', 'list', 'short', 'sources')).not.toContain('QVD_Microphone')
  const directly = ['--server', 'tcp:127.0.0.1:7100']
  await expect(asAnn('timeout', '5', 'parec', ...directly, '/tmp/stolen')).rejects.toThrow(
    /Access denied|exited/,
  )
  expect(await asAnn('sh', '-c', 'wc -c < /tmp/stolen || echo 0')).toMatch(/^0\s*$/)
})

test('a desktop can neither load modules at the client nor see what else plays there', async () => {
  const directly = ['pactl', '--server', 'tcp:127.0.0.1:7100']
  for (const attempt of [
    ['load-module', 'module-null-sink'],
    ['list', 'short', 'clients'],
    ['list', 'short', 'sink-inputs'],
    ['set-sink-volume', '@DEFAULT_SINK@', '100%'],
    ['unload-module', 'module-native-protocol-unix'],
    ['exit'],
  ])
    await expect(asAnn(...directly, ...attempt), attempt.join(' ')).rejects.toThrow(/Access denied/)
  expect(await server.pactl('info')).toContain('Default Sink: loudspeaker')
})

test('a microphone that was asked for is heard in the desktop', async () => {
  await client.leave()
  await come(true)
  await untilSink('QVD_Audio')
  await until('the microphone', async () =>
    (await asAnn('pactl', 'get-default-source')).startsWith('QVD_Microphone'),
  )
  await using voice = server.speak(880)
  expect(voice).toBeDefined()
  let level = 0
  let hertz = 0
  await until('the voice', async () => {
    await asAnn('sh', '-c', `timeout 3 parec ${SAMPLES.join(' ')} --latency-msec=50 /tmp/voice.raw || true`)
    ;({ hertz, level } = await measureTone(guest.path('/tmp/voice.raw')))
    return level > 0.45
  }).catch(() => {})
  expect(level).toBeCloseTo(0.5, 1)
  expect(hertz).toBeGreaterThan(860)
  expect(hertz).toBeLessThan(900)
})

test('it ends with the session', async () => {
  await guest.endSession()
  await until(
    'the sound server to end',
    async () => (await guest.pidOf('^/usr/bin/pulseaudio')) === undefined,
  )
})
