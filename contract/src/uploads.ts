import * as z from 'zod'

/** Files of disk images on their way to a node (docs/images.md). */
export const UPLOADS_PATH = '/v1/uploads'
/** The most that is sent at once, in bytes. */
export const UPLOAD_PIECE = 4 * 2 ** 20

/**
 * What is begun, or goes on: the same name, size and hash are the same upload, whoever asks and however often.
 * Sizes are bytes.
 */
export const newUpload = z.strictObject({
  name: z.string().regex(/^\w[\w.+-]{0,150}$/, 'must be the name of a file, of letters, digits and . _ + -'),
  size: z
    .int()
    .min(1)
    .max(2 ** 43),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
})

/** At which byte of the file a piece begins. */
export const pieceQuery = z.strictObject({
  offset: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 43),
})

/** How far an upload is. */
export interface Upload {
  /** What the file is called on the node, to be named as `path` of an image. */
  readonly file: string
  readonly size: number
  /** Bytes that have arrived, from the first on. */
  readonly done: number
}

/** One upload. */
export function uploadPath(file: string): string {
  return `${UPLOADS_PATH}/${encodeURIComponent(file)}`
}
