import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientParameters, DEFAULT_CLIENT_OPTIONS, parseClientOptions } from './client-options.ts'
import { Fault } from './fault.ts'

const NAMES = ['geometry', 'fullscreen', 'link', 'keyboard', 'os'].map((name) => `qvd.client.${name}`)

function parse(parameters: Record<string, string>) {
  return parseClientOptions(new Map(Object.entries(parameters)))
}

function faultOf(parameters: Record<string, string>): unknown {
  try {
    return parse(parameters)
  } catch (error) {
    return error
  }
}

test.each([[{}], [Object.fromEntries(NAMES.map((name) => [name, '']))]])(
  'missing and empty parameters mean the defaults',
  (parameters) => {
    expect(parse(parameters)).toEqual(DEFAULT_CLIENT_OPTIONS)
  },
)

test('what a client says is taken over', () => {
  expect(
    parse({
      'qvd.client.geometry': '1280x720+10-20',
      'qvd.client.fullscreen': '1',
      'qvd.client.link': '256k',
      'qvd.client.keyboard': 'pc105/de-latin1',
      'qvd.client.os': 'darwin',
    }),
  ).toEqual({
    geometry: { width: 1280, height: 720 },
    fullscreen: true,
    link: '256k',
    keyboard: 'pc105/de-latin1',
    os: 'darwin',
  })
})

test.each([
  ['qvd.client.geometry', '63x100'],
  ['qvd.client.geometry', '100x16385'],
  ['qvd.client.geometry', '1024'],
  ['qvd.client.geometry', '1e3x1000'],
  ['qvd.client.geometry', '-100x100'],
  ['qvd.client.fullscreen', 'true'],
  ['qvd.client.link', 'adsl,cups=1'],
  ['qvd.client.link', 'a b'],
  ['qvd.client.keyboard', 'pc105/us\n'],
  ['qvd.client.keyboard', 'x'.repeat(65)],
  ['qvd.client.os', 'linux:50'],
  ['qvd.client.os', 'a=b'],
])('%s = %j is refused by name', (name, value) => {
  const fault = faultOf({ [name]: value })
  expect(fault).toBeInstanceOf(Fault)
  expect(fault).toMatchObject({ code: 'request.invalid', message: expect.stringContaining(name) as string })
})

const nasty = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('a', '1', 'x', '/', '+', '-', ',', ' ', '=', ':', '\n', '\t', '\0', '%'),
  }),
)

test('whatever comes in, no comma, blank, colon, equals sign or control character comes out', () => {
  fc.assert(
    fc.property(fc.constantFrom(...NAMES), nasty, (name, value) => {
      const result = faultOf({ [name]: value })
      if (result instanceof Error) {
        expect(result).toMatchObject({ name: 'Fault', code: 'request.invalid' })
        return
      }
      const { geometry, fullscreen, ...words } = result as typeof DEFAULT_CLIENT_OPTIONS
      expect(Object.values(words).join('')).toMatch(/^[\w/+-]+$/)
      expect(`${geometry.width}x${geometry.height} ${fullscreen}`).toMatch(/^\d+x\d+ (true|false)$/)
    }),
    { numRuns: 2_000 },
  )
})

test('options survive being written as parameters', () => {
  const pixels = fc.integer({ min: 64, max: 16_384 })
  const word = fc.stringMatching(/^[a-zA-Z0-9_/+-]{1,64}$/)
  const options = fc.record({
    geometry: fc.record({ width: pixels, height: pixels }),
    fullscreen: fc.boolean(),
    link: word,
    keyboard: word,
    os: word,
  })
  fc.assert(
    fc.property(options, (given) => {
      expect(parseClientOptions(new Map(clientParameters(given)))).toEqual(given)
    }),
  )
})
