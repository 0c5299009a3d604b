import { Fault } from './fault.ts'

/** How a user wants her session shown: QVD's `qvd.client.*` parameters (compatibility page 1.5), checked. */
export interface ClientOptions {
  /** Width and height in pixels. */
  readonly geometry: { readonly width: number; readonly height: number }
  readonly fullscreen: boolean
  /** NX link: a name or a bandwidth such as `256k`. */
  readonly link: string
  /** Model and layout, such as `pc105/us`. */
  readonly keyboard: string
  readonly os: string
}

export const DEFAULT_CLIENT_OPTIONS: ClientOptions = {
  geometry: { width: 1024, height: 768 },
  fullscreen: false,
  link: 'adsl',
  keyboard: 'pc105/us',
  os: 'linux',
}

/** What may stand in an NX option: a comma or blank would begin another option (C-81). */
const NX_VALUE = /^[\w/+-]{1,64}$/

const PARAMETERS = {
  geometry: 'qvd.client.geometry',
  fullscreen: 'qvd.client.fullscreen',
  link: 'qvd.client.link',
  keyboard: 'qvd.client.keyboard',
  os: 'qvd.client.os',
} as const

/**
 * Reads the options out of request parameters; a missing or empty one gets its default.
 * @throws Fault `request.invalid` naming the parameter.
 */
export function parseClientOptions(parameters: ReadonlyMap<string, string>): ClientOptions {
  const nx = (name: 'link' | 'keyboard' | 'os'): string => {
    const value = parameters.get(PARAMETERS[name]) ?? ''
    if (value === '') return DEFAULT_CLIENT_OPTIONS[name]
    if (!NX_VALUE.test(value)) throw invalid(PARAMETERS[name])
    return value
  }
  return {
    geometry: parseGeometry(parameters.get(PARAMETERS.geometry) ?? ''),
    fullscreen: parseFlag(parameters.get(PARAMETERS.fullscreen) ?? ''),
    link: nx('link'),
    keyboard: nx('keyboard'),
    os: nx('os'),
  }
}

/** The parameters that say the same as `options`. */
export function clientParameters(options: ClientOptions): URLSearchParams {
  return new URLSearchParams({
    [PARAMETERS.os]: options.os,
    [PARAMETERS.geometry]: `${options.geometry.width}x${options.geometry.height}`,
    [PARAMETERS.link]: options.link,
    [PARAMETERS.keyboard]: options.keyboard,
    [PARAMETERS.fullscreen]: options.fullscreen ? '1' : '0',
  })
}

function parseGeometry(value: string): ClientOptions['geometry'] {
  if (value === '') return DEFAULT_CLIENT_OPTIONS.geometry
  const match = /^(\d{1,5})x(\d{1,5})(?:[+-]\d{1,5}[+-]\d{1,5})?$/.exec(value)
  const [width, height] = [Number(match?.[1]), Number(match?.[2])]
  if (!(width >= 64 && width <= 16_384 && height >= 64 && height <= 16_384))
    throw invalid(PARAMETERS.geometry)
  return { width, height }
}

function parseFlag(value: string): boolean {
  if (value !== '' && value !== '0' && value !== '1') throw invalid(PARAMETERS.fullscreen)
  return value === '1'
}

function invalid(parameter: string): Fault {
  return new Fault('request.invalid', { problem: `invalid characters in parameter ${parameter}` })
}
