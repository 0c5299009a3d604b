/** Printed by `npm run docs` from the OpenAPI document of the api. */
export interface AdminApi {
  /** This document. */
  'GET /api/openapi.json': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { openapi: '3.1.0' }
  }
  /** Administrators. */
  'GET /v1/administrators': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      role: string
      tenant: string | null
      blocked: boolean
      made: string
    }[]
  }
  /** Adds an administrator, who can do no more than who adds her. */
  'POST /v1/administrators': {
    parts: undefined
    query: undefined
    body: {
      tenant?: string
      name: string
      role: 'superadmin' | 'tenant-admin' | 'operator' | 'support' | 'auditor'
    }
    answer: { id: number }
  }
  /** Removes an administrator with her tokens. */
  'DELETE /v1/administrators/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Blocks an administrator with all her tokens, or opens her again. */
  'POST /v1/administrators/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Makes a code that becomes a token, once. */
  'POST /v1/administrators/{name}/invitations': {
    parts: { name: string }
    query: undefined
    body: { hours?: number }
    answer: { code: string; administrator: string; expires: string }
  }
  /** Who did what, and what was before and after; newest first. */
  'GET /v1/audit': {
    parts: undefined
    query: { before?: number | undefined; limit?: number | undefined }
    body: undefined
    answer: {
      id: number
      at: string
      request: string
      by: string
      role: string
      address: string
      action: string
      object: string
      status: number
      fault: string | null
      said: unknown
      before: unknown
      after: unknown
    }[]
  }
  /** The newest backups. */
  'GET /v1/backups': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      by: string
      file: string | null
      fault: string | null
      bytes: number | null
      rows: number | null
      askedAt: string
      endedAt: string | null
    }[]
  }
  /** Asks for a backup. */
  'POST /v1/backups': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { id: number }
  }
  /** How a backup stands. */
  'GET /v1/backups/{number}': {
    parts: { number: string }
    query: undefined
    body: undefined
    answer: { ended: boolean; file: string | null; fault: string | null }
  }
  /** Asks for an image of what a desktop has become. */
  'POST /v1/captures': {
    parts: undefined
    query: undefined
    body: { vm: string; osf: string; version?: string; tag?: string }
    answer: { id: number }
  }
  /** How such an image comes on. */
  'GET /v1/captures/{number}': {
    parts: { number: string }
    query: undefined
    body: undefined
    answer: {
      stage: string
      ended: boolean
      fault: string | null
      image: string | null
      version: string | null
    }
  }
  /** Keys with what holds and where that comes from; secrets are masked. */
  'GET /v1/configuration': {
    parts: undefined
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string; origin: string }[]
  }
  /** Sets keys, all or none. */
  'POST /v1/configuration': {
    parts: undefined
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: { count: number; restart: Record<string, string[]>; notes: string[] }
  }
  /** Removes keys. */
  'DELETE /v1/configuration': {
    parts: undefined
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number; restart: Record<string, string[]>; notes: string[] }
  }
  /** Keys that are set and not used as they stand. */
  'GET /v1/configuration/findings': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { kind: string; keys: string[]; text: string }[]
  }
  /** What becomes of a QVD's configuration; with apply=true it is done. */
  'POST /v1/configuration/import': {
    parts: undefined
    query: undefined
    body: { text: string; tenants?: Record<string, string>; apply?: boolean }
    answer: {
      keys: { key: string; tenant: string | null; kind: string; text: string }[]
      stored: number
      applied: boolean
    }
  }
  /** How often desktops were started, and came to run. */
  'GET /v1/counters/desktops': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      running: boolean
      blocked: boolean
      run_attempts: number
      run_ok: number
    }[]
  }
  /** What nodes have counted. */
  'GET /v1/counters/hosts': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      http_requests: number
      auth_attempts: number
      auth_ok: number
      nx_attempts: number
      nx_ok: number
      short_sessions: number
    }[]
  }
  /** Desktops. */
  'GET /v1/desktops': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      user: string
      tenant: string
      osf: string
      state: string
      host: string | null
      address: string
      blocked: boolean
      user_state: string
      di_tag: string
      di: string | null
      di_next: string | null
      expire_soft: string | null
      expire_hard: string | null
      agent: string | null
      failures: number
      fault: string | null
    }[]
  }
  /** Adds a desktop. */
  'POST /v1/desktops': {
    parts: undefined
    query: undefined
    body: {
      tenant?: string
      name: string
      user: string
      osf: string
      di_tag?: string
      ip?: string
      bulk?: number
    }
    answer: { id: number; ids?: number[] }
  }
  /** What a filter finds, with a token for doing something to all of it. Nothing happens yet. */
  'POST /v1/desktops/bulk': {
    parts: undefined
    query: undefined
    body: { filter: string }
    answer: { names: string[]; token: string }
  }
  /** Does "block" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/block': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "del" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/del': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "disconnect" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/disconnect': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "edit" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/edit': {
    parts: undefined
    query: undefined
    body: {
      filter: string
      token: string
      change: { di_tag?: string; 'expire-soft'?: string; 'expire-hard'?: string }
    }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "propdel" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/propdel': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; keys: string[] }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** The properties of all that a filter finds; secrets are masked. */
  'POST /v1/desktops/bulk/propget': {
    parts: undefined
    query: undefined
    body: { filter: string; keys?: string[] }
    answer: { name: string; key: string; value: string }[]
  }
  /** Does "propset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/propset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; set: Record<string, string> }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "reset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/reset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "start" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/start': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "stop" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/stop': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "unblock" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/desktops/bulk/unblock': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/desktops/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      id: number
      name: string
      user: string
      tenant: string
      osf: string
      state: string
      host: string | null
      address: string
      blocked: boolean
      user_state: string
      di_tag: string
      di: string | null
      di_next: string | null
      expire_soft: string | null
      expire_hard: string | null
      agent: string | null
      failures: number
      fault: string | null
    }
  }
  /** Changes the tag of a desktop, and when it expires. */
  'PATCH /v1/desktops/{name}': {
    parts: { name: string }
    query: undefined
    body: { di_tag?: string; 'expire-soft'?: string; 'expire-hard'?: string }
    answer: { expiring: { count: number; soft: string | null; hard: string | null } }
  }
  /** Removes a desktop that is at rest; its home goes to the trash. */
  'DELETE /v1/desktops/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: { desktops: number; homes: { id: number; was: string; path: string; until: string }[] }
  }
  /** Blocks it, or opens it again. */
  'POST /v1/desktops/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Cuts the stream of whoever sits at a desktop; programs go on. */
  'POST /v1/desktops/{name}/disconnect': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: { was: string | null }
  }
  /** Looks at every hop from a client to the display of a desktop: what failed, and what to do. */
  'GET /v1/desktops/{name}/doctor': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      hop: 'api' | 'database' | 'door' | 'node' | 'image' | 'desktop' | 'agent' | 'display'
      state: 'ok' | 'failed' | 'unknown'
      said: string
      advice: string | null
    }[]
  }
  /** Why a desktop is as it is: its wishes, its last start step by step, what went wrong. */
  'GET /v1/desktops/{name}/explain': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      name: string
      state: string
      because: string[]
      fault: string | null
      timeline: { step: string }[]
      wishes: { kind: string; by: string }[]
    }
  }
  /** Its properties; secrets are masked. */
  'GET /v1/desktops/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string }[]
  }
  /** Sets properties. */
  'POST /v1/desktops/{name}/properties': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: Record<string, unknown>
  }
  /** Removes properties. */
  'DELETE /v1/desktops/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number }
  }
  /** Gives a ticket for a tunnel into a desktop, which the door takes. */
  'POST /v1/desktops/{name}/tunnels': {
    parts: { name: string }
    query: undefined
    body: { kind: 'console' | 'support' | 'serial' | 'ssh'; account?: string; person?: string }
    answer: { ticket: string; seconds: number }
  }
  /** Wishes a desktop to run, to stop or to be tried anew. hkd does it. */
  'POST /v1/desktops/{name}/wishes': {
    parts: { name: string }
    query: undefined
    body: { kind: 'run' | 'stop' | 'reset'; reason?: string }
    answer: { number: number }
  }
  /** Looks at the database, and at every node and its door: what failed, and what to do. */
  'GET /v1/doctor': {
    parts: undefined
    query: undefined
    body: undefined
    answer: {
      hop: 'api' | 'database' | 'door' | 'node' | 'image' | 'desktop' | 'agent' | 'display'
      state: 'ok' | 'failed' | 'unknown'
      said: string
      advice: string | null
    }[]
  }
  /** Flavours, also those of all tenants. */
  'GET /v1/flavours': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      memory: number
      cpu_percent: number
      is_application: boolean
      displays: string[]
      hypervisor: string | null
      home_mb: number
      overlay: string
      tenant: string | null
      max_desktops: number | null
      max_per_user: number | null
      net_in: number | null
      net_out: number | null
      disk_iops: number | null
      disk_rate: number | null
      slo_seconds: number | null
      slo_percent: number
    }[]
  }
  /** Adds a flavour. */
  'POST /v1/flavours': {
    parts: undefined
    query: undefined
    body: {
      name: string
      memory?: number
      cpus?: number
      application?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      is_application?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      displays?: string
      hypervisor?: 'lxc' | 'kvm' | 'process'
      user_storage_size?: number
      overlay?: 'snapshot' | 'persistent' | 'user'
      use_overlay?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      tenant?: string
      max_desktops?: number
      max_per_user?: number
      net_in?: number
      net_out?: number
      disk_iops?: number
      disk_rate?: number
      slo_seconds?: number
      slo_percent?: number
    }
    answer: { id: number }
  }
  /** What a filter finds, with a token for doing something to all of it. Nothing happens yet. */
  'POST /v1/flavours/bulk': {
    parts: undefined
    query: undefined
    body: { filter: string }
    answer: { names: string[]; token: string }
  }
  /** Does "del" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/flavours/bulk/del': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "propdel" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/flavours/bulk/propdel': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; keys: string[] }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** The properties of all that a filter finds; secrets are masked. */
  'POST /v1/flavours/bulk/propget': {
    parts: undefined
    query: undefined
    body: { filter: string; keys?: string[] }
    answer: { name: string; key: string; value: string }[]
  }
  /** Does "propset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/flavours/bulk/propset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; set: Record<string, string> }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/flavours/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      id: number
      name: string
      memory: number
      cpu_percent: number
      is_application: boolean
      displays: string[]
      hypervisor: string | null
      home_mb: number
      overlay: string
      tenant: string | null
      max_desktops: number | null
      max_per_user: number | null
      net_in: number | null
      net_out: number | null
      disk_iops: number | null
      disk_rate: number | null
      slo_seconds: number | null
      slo_percent: number
    }
  }
  /** Removes a flavour without desktops; its homes go to the trash. */
  'DELETE /v1/flavours/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: { desktops: number; homes: { id: number; was: string; path: string; until: string }[] }
  }
  /** Changes how many desktops a flavour may have, what they and their homes may hold, and how soon they are there. */
  'PATCH /v1/flavours/{name}': {
    parts: { name: string }
    query: undefined
    body: {
      max_desktops?: '' | number
      max_per_user?: '' | number
      net_in?: '' | number
      net_out?: '' | number
      disk_iops?: '' | number
      disk_rate?: '' | number
      slo_seconds?: '' | number
      slo_percent?: number
      user_storage_size?: number
    }
    answer: Record<string, unknown>
  }
  /** Its properties; secrets are masked. */
  'GET /v1/flavours/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string }[]
  }
  /** Sets properties. */
  'POST /v1/flavours/{name}/properties': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: Record<string, unknown>
  }
  /** Removes properties. */
  'DELETE /v1/flavours/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number }
  }
  /** How the starts of a flavour went, hop by hop, and the newest that were late or failed. */
  'GET /v1/flavours/{name}/slo': {
    parts: { name: string }
    query: { days?: number | undefined }
    body: undefined
    answer: {
      osf: string
      seconds: number | null
      percent: number
      starts: number
      late: number
      failed: number
      reached: number | null
      budget: number | null
      medianMs: number | null
      percentMs: number | null
      blamed: ('queue' | 'preparation' | 'boot' | 'account' | 'session' | 'connection') | null
      hops: {
        hop: 'queue' | 'preparation' | 'boot' | 'account' | 'session' | 'connection'
        medianMs: number | null
        percentMs: number | null
        blamed: number
        lostMs: number
      }[]
      worst: {
        vm: string
        at: string
        tookMs: number | null
        blamed: 'queue' | 'preparation' | 'boot' | 'account' | 'session' | 'connection'
        hopMs: number | null
        usualMs: number
        fault: string | null
      }[]
    }
  }
  /** Groups of users. */
  'GET /v1/groups': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: { id: number; name: string; tenant: string; members: string }[]
  }
  /** Adds a group. */
  'POST /v1/groups': {
    parts: undefined
    query: undefined
    body: { tenant?: string; name: string }
    answer: { id: number }
  }
  /** Removes a group; its members stay. */
  'DELETE /v1/groups/{name}': {
    parts: { name: string }
    query: { tenant?: string | undefined }
    body: undefined
    answer: Record<string, unknown>
  }
  /** A user becomes a member. */
  'POST /v1/groups/{name}/join': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; user: string }
    answer: Record<string, unknown>
  }
  /** A user is a member no longer. */
  'POST /v1/groups/{name}/leave': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; user: string }
    answer: Record<string, unknown>
  }
  /** Homes, those in the trash last. */
  'GET /v1/homes': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      user: string
      tenant: string
      osf: string
      kind: string
      path: string
      host: string | null
      limit_mb: number
      state: string
      vm: string | null
      purge: string | null
      now: string | null
      trouble: string | null
    }[]
  }
  /** Says that what lies at a path is somebody's home. */
  'POST /v1/homes': {
    parts: undefined
    query: undefined
    body: {
      tenant?: string
      user: string
      osf: string
      kind?: 'directory' | 'image' | 'raw' | 'qcow2'
      path?: string
    }
    answer: { id: number; path: string }
  }
  /** Puts a home into the trash. */
  'DELETE /v1/homes/{id}': {
    parts: { id: string }
    query: undefined
    body: undefined
    answer: { desktops: number; homes: { id: number; was: string; path: string; until: string }[] }
  }
  /** Removes a home in the trash for good. */
  'POST /v1/homes/{id}/purge': {
    parts: { id: string }
    query: undefined
    body: Record<string, unknown>
    answer: Record<string, unknown>
  }
  /** Brings a home back from the trash, also for somebody else. */
  'POST /v1/homes/{id}/restore': {
    parts: { id: string }
    query: undefined
    body: { tenant?: string; user?: string; osf?: string }
    answer: {
      desktops: number
      homes: { id: number; was: string; path: string; until: string }[]
      path: string
      login: string
    }
  }
  /** Nodes. */
  'GET /v1/hosts': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      state: string
      blocked: boolean
      memory: number
      seen: string
      address: string | null
      desktops: number
    }[]
  }
  /** Adds a node, before it starts with this database. */
  'POST /v1/hosts': {
    parts: undefined
    query: undefined
    body: { name: string; address?: string }
    answer: { id: number }
  }
  /** What a filter finds, with a token for doing something to all of it. Nothing happens yet. */
  'POST /v1/hosts/bulk': {
    parts: undefined
    query: undefined
    body: { filter: string }
    answer: { names: string[]; token: string }
  }
  /** Does "block" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/hosts/bulk/block': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "del" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/hosts/bulk/del': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "propdel" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/hosts/bulk/propdel': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; keys: string[] }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** The properties of all that a filter finds; secrets are masked. */
  'POST /v1/hosts/bulk/propget': {
    parts: undefined
    query: undefined
    body: { filter: string; keys?: string[] }
    answer: { name: string; key: string; value: string }[]
  }
  /** Does "propset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/hosts/bulk/propset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; set: Record<string, string> }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "unblock" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/hosts/bulk/unblock': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/hosts/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      id: number
      name: string
      state: string
      blocked: boolean
      memory: number
      seen: string
      address: string | null
      desktops: number
    }
  }
  /** Removes a node that is at rest and has nothing of anybody. */
  'DELETE /v1/hosts/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Blocks it, or opens it again. */
  'POST /v1/hosts/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Its properties; secrets are masked. */
  'GET /v1/hosts/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string }[]
  }
  /** Sets properties. */
  'POST /v1/hosts/{name}/properties': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: Record<string, unknown>
  }
  /** Removes properties. */
  'DELETE /v1/hosts/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number }
  }
  /** Disk images, also those of all tenants. */
  'GET /v1/images': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      osf: string
      version: string
      kind: string
      path: string
      tags: string | null
      blocked: boolean
      state: string | null
    }[]
  }
  /** Adds a disk image, whose file lies in the staging folder or at a path of the nodes. */
  'POST /v1/images': {
    parts: undefined
    query: undefined
    body: {
      name?: string
      osf?: string
      osf_id?: number
      kind?: 'instant' | 'directory' | 'tarball' | 'squashfs' | 'qcow2'
      path?: string
      sha256?: string
      version?: string
      'expire-soft'?: string
      'expire-hard'?: string
    }
    answer: {
      id: number
      version: string
      expiring: { count: number; soft: string | null; hard: string | null }
    }
  }
  /** What a filter finds, with a token for doing something to all of it. Nothing happens yet. */
  'POST /v1/images/bulk': {
    parts: undefined
    query: undefined
    body: { filter: string }
    answer: { names: string[]; token: string }
  }
  /** Does "block" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/images/bulk/block': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "del" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/images/bulk/del': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "propdel" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/images/bulk/propdel': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; keys: string[] }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** The properties of all that a filter finds; secrets are masked. */
  'POST /v1/images/bulk/propget': {
    parts: undefined
    query: undefined
    body: { filter: string; keys?: string[] }
    answer: { name: string; key: string; value: string }[]
  }
  /** Does "propset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/images/bulk/propset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; set: Record<string, string> }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "unblock" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/images/bulk/unblock': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Removes a disk image; its file stays. */
  'DELETE /v1/images/{id}': {
    parts: { id: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Lets a tag stand for this image, and says when desktops that run another one expire. */
  'POST /v1/images/{id}/tags': {
    parts: { id: string }
    query: undefined
    body: { tag: string; 'expire-soft'?: string; 'expire-hard'?: string }
    answer: { expiring: { count: number; soft: string | null; hard: string | null } }
  }
  /** Takes a tag away. */
  'DELETE /v1/images/{id}/tags/{tag}': {
    parts: { id: string; tag: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/images/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: {
      id: number
      name: string
      osf: string
      version: string
      kind: string
      path: string
      tags: string | null
      blocked: boolean
      state: string | null
    }
  }
  /** Blocks it, or opens it again. */
  'POST /v1/images/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Its properties; secrets are masked. */
  'GET /v1/images/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string }[]
  }
  /** Sets properties. */
  'POST /v1/images/{name}/properties': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: Record<string, unknown>
  }
  /** Removes properties. */
  'DELETE /v1/images/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number }
  }
  /** What becomes of a KVM-VDI's users, pools and machines, out of a dump; with apply=true it is done. */
  'POST /v1/import/kvm-vdi': {
    parts: undefined
    query: undefined
    body: { text: string; apply?: boolean }
    answer: {
      version: string
      counts: {
        kind:
          | 'tenant'
          | 'user'
          | 'group'
          | 'osf'
          | 'di'
          | 'vm'
          | 'pool'
          | 'property'
          | 'config'
          | 'host'
          | 'administrator'
        found: number
        taken: number
        kept: number
      }[]
      notes: {
        kind:
          | 'tenant'
          | 'user'
          | 'group'
          | 'osf'
          | 'di'
          | 'vm'
          | 'pool'
          | 'property'
          | 'config'
          | 'host'
          | 'administrator'
        name: string
        text: string
      }[]
      applied: boolean
    }
  }
  /** What becomes of a QVD's users, flavours, images, desktops and configuration; with apply=true it is done. */
  'POST /v1/import/qvd': {
    parts: undefined
    query: undefined
    body: {
      host: string
      port?: number
      database?: string
      user?: string
      password?: string
      apply?: boolean
    }
    answer: {
      version: string
      counts: {
        kind:
          | 'tenant'
          | 'user'
          | 'group'
          | 'osf'
          | 'di'
          | 'vm'
          | 'pool'
          | 'property'
          | 'config'
          | 'host'
          | 'administrator'
        found: number
        taken: number
        kept: number
      }[]
      notes: {
        kind:
          | 'tenant'
          | 'user'
          | 'group'
          | 'osf'
          | 'di'
          | 'vm'
          | 'pool'
          | 'property'
          | 'config'
          | 'host'
          | 'administrator'
        name: string
        text: string
      }[]
      applied: boolean
    }
  }
  /** Adds the first administrator, and invites her. There is no password before, and none after. */
  'POST /v1/init': {
    parts: undefined
    query: undefined
    body: { name?: string }
    answer: { code: string; administrator: string; expires: string }
  }
  /** The newest jobs, newest first. */
  'GET /v1/jobs': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      kind: string
      state: 'previewed' | 'running' | 'paused' | 'stopping' | 'done' | 'failed' | 'rolled back'
      progress: string
      by: string
      made: string
      ended: string | null
      reason: string
    }[]
  }
  /** A job with its desktops and its log. */
  'GET /v1/jobs/{number}': {
    parts: { number: string }
    query: { after?: string | undefined }
    body: undefined
    answer: {
      id: number
      kind: string
      state: 'previewed' | 'running' | 'paused' | 'stopping' | 'done' | 'failed' | 'rolled back'
      progress: string
      by: string
      made: string
      ended: string | null
      reason: string
      items: { vm: string; wave: number; state: string; fault: string | null }[]
      log: { number: number; at: string; text: string }[]
    }
  }
  /** Orders a job to pause. */
  'POST /v1/jobs/{number}/pause': {
    parts: { number: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Orders a job to resume. */
  'POST /v1/jobs/{number}/resume': {
    parts: { number: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Begins a job that was previewed, unless the world has changed meanwhile. */
  'POST /v1/jobs/{number}/run': {
    parts: { number: string }
    query: undefined
    body: { token: string }
    answer: Record<string, unknown>
  }
  /** Orders a job to stop. */
  'POST /v1/jobs/{number}/stop': {
    parts: { number: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Begins maintenance with a sentence that users read; without one it ends. */
  'POST /v1/maintenance/host/{name}': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; said: string | null; stop?: '0' | '1' | 'yes' | 'no' | 'on' | 'off' }
    answer: { stopping: number }
  }
  /** Begins maintenance with a sentence that users read; without one it ends. */
  'POST /v1/maintenance/osf/{name}': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; said: string | null; stop?: '0' | '1' | 'yes' | 'no' | 'on' | 'off' }
    answer: { stopping: number }
  }
  /** Begins maintenance with a sentence that users read; without one it ends. */
  'POST /v1/maintenance/pool/{name}': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; said: string | null; stop?: '0' | '1' | 'yes' | 'no' | 'on' | 'off' }
    answer: { stopping: number }
  }
  /** Begins maintenance with a sentence that users read; without one it ends. */
  'POST /v1/maintenance/user/{name}': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; said: string | null; stop?: '0' | '1' | 'yes' | 'no' | 'on' | 'off' }
    answer: { stopping: number }
  }
  /** Begins maintenance with a sentence that users read; without one it ends. */
  'POST /v1/maintenance/vm/{name}': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; said: string | null; stop?: '0' | '1' | 'yes' | 'no' | 'on' | 'off' }
    answer: { stopping: number }
  }
  /** What administrators were told, newest first. */
  'GET /v1/notices': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: string
      kind: string
      at: string
      vm: string
      user: string
      said: string
      mailed_at: string | null
      posted_at: string | null
    }[]
  }
  /** How many desktops there are in each state, nodes, sessions, and the starts and failures of a day. */
  'GET /v1/overview': {
    parts: undefined
    query: undefined
    body: undefined
    answer: {
      desktops: { state: string; count: number; blocked: number }[]
      sessions: number
      hosts: {
        name: string
        state: string
        blocked: boolean
        silent: boolean
        desktops: number
        memory: number
        used: number
      }[]
      starts: { count: number; p50: number | null; p98: number | null }
      hours: { at: string; count: number; p50: number | null; p98: number | null }[]
      failures: { code: string; text: string; count: number; last: string; desktop: string }[]
    }
  }
  /** Rules, in their order. */
  'GET /v1/policy': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: { position: number; name: string; about: string; says: string }[]
  }
  /** Adds a rule. */
  'POST /v1/policy': {
    parts: undefined
    query: undefined
    body: {
      name: string
      position?: number
      tenant?: string
      user?: string
      group?: string
      role?: 'user' | 'power' | 'support'
      osf?: string
      vm?: string
      from?: string
      use?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      displays?: string
      clipboard?: 'none' | 'in' | 'out' | 'both'
      folders?: 'off' | 'ro' | 'rw'
      roots?: string
      ports?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      printing?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      audio?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      usb?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      quota?: number
    }
    answer: { id: number }
  }
  /** Removes a rule. */
  'DELETE /v1/policy/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Pools, and what has become of their desktops. */
  'GET /v1/pools': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      name: string
      tenant: string
      osf: string
      di_tag: string
      assign: string
      size: number
      spare: number
      max: number
      'stop-after': number | null
      for: string
      running: number
      assigned: number
      dirty: number
      waiting: number
      maintenance: string | null
    }[]
  }
  /** Adds a pool with its desktops. */
  'POST /v1/pools': {
    parts: undefined
    query: undefined
    body: {
      tenant?: string
      name: string
      osf: string
      di_tag?: string
      assign?: 'floating' | 'dedicated'
      size: number
      spare?: number
      max?: number
      'stop-after'?: 'never' | number
      everyone?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      users?: string
      groups?: string
    }
    answer: { id: number }
  }
  /** Takes a desktop of a pool from the user who has it. */
  'DELETE /v1/pools/users/{desktop}': {
    parts: { desktop: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Changes a pool; it grows at once, and shrinks as desktops are at rest. */
  'PATCH /v1/pools/{name}': {
    parts: { name: string }
    query: undefined
    body: {
      di_tag?: string
      assign?: 'floating' | 'dedicated'
      size?: number
      spare?: number
      max?: number
      'stop-after'?: 'never' | number
      everyone?: '0' | '1' | 'yes' | 'no' | 'on' | 'off'
      users?: string
      groups?: string
    }
    answer: { desktops: number }
  }
  /** Removes a pool with its desktops. */
  'DELETE /v1/pools/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Exchanges the code of an invitation for a token. A code is good once. */
  'POST /v1/redeem': {
    parts: undefined
    query: undefined
    body: { code: string; name?: string }
    answer: { id: number; token: string; administrator: string; expires: string }
  }
  /** Previews a roll-out of a disk image: nothing happens yet. */
  'POST /v1/roll-outs': {
    parts: undefined
    query: undefined
    body: {
      di?: string
      di_id?: number
      tag?: string
      canary?: string
      wave?: string
      pause?: string
      soft?: string
      hard?: string
      idle?: 'restart' | 'wait'
      'stop-on'?: number
    }
    answer: {
      job: number
      token: string
      image: string
      old: string | null
      tag: string
      waves: number
      lines: {
        vm: string
        state: string
        host: string | null
        user: string | null
        runs: string | null
        wave: number
        does: string
      }[]
    }
  }
  /** Who asks, and what she may. */
  'GET /v1/self': {
    parts: undefined
    query: undefined
    body: undefined
    answer: {
      name: string
      role: string
      tenant: string | null
      permissions: string[]
      expires: string | null
    }
  }
  /** Signs a browser in, by the code of an invitation or a token: a cookie, and a key for the page. */
  'POST /v1/session': {
    parts: undefined
    query: undefined
    body: { code?: string; token?: string; keep?: boolean }
    answer: { key: string; administrator: string; expires: string }
  }
  /** Ends the session, or the token, by which she came. */
  'DELETE /v1/session': {
    parts: undefined
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** How starts went, by flavour: what is promised, what was kept of it, and which hop is to blame. */
  'GET /v1/slo': {
    parts: undefined
    query: { days?: number | undefined }
    body: undefined
    answer: {
      osf: string
      seconds: number | null
      percent: number
      starts: number
      late: number
      failed: number
      reached: number | null
      budget: number | null
      medianMs: number | null
      percentMs: number | null
      blamed: ('queue' | 'preparation' | 'boot' | 'account' | 'session' | 'connection') | null
    }[]
  }
  /** The certificate of all doors. */
  'GET /v1/ssl': {
    parts: undefined
    query: undefined
    body: undefined
    answer: {
      origin: 'database' | 'file' | 'none'
      file: string
      certificate: { subject: string; fingerprint: string } | null
    }
  }
  /** Gives all doors a certificate. The key goes in and never comes out. */
  'POST /v1/ssl': {
    parts: undefined
    query: undefined
    body: { key: string; cert: string; ca?: string; crl?: string }
    answer: {
      origin: 'database' | 'file' | 'none'
      file: string
      certificate: { subject: string; fingerprint: string } | null
    }
  }
  /** Takes the certificate of all doors away: each shows its own again. */
  'DELETE /v1/ssl': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { wasSet: boolean; file: string }
  }
  /** Asks every node to look for what nothing needs. */
  'POST /v1/storage/looks': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { ids: number[] }
  }
  /** What was found. */
  'GET /v1/storage/looks': {
    parts: undefined
    query: { id?: string[] | undefined }
    body: undefined
    answer: {
      id: number
      host: string
      ended: boolean
      fault: string | null
      orphans: { id: number; kind: string; path: string; bytes: number; modified: string; why: string }[]
    }[]
  }
  /** Asks for the removal of what was listed. */
  'POST /v1/storage/purges': {
    parts: undefined
    query: undefined
    body: { ids: number[] }
    answer: Record<string, unknown>
  }
  /** What became of it. */
  'GET /v1/storage/purges': {
    parts: undefined
    query: { id?: string[] | undefined }
    body: undefined
    answer: { id: number; path: string; ended: boolean; fault: string | null }[]
  }
  /** Tenants. */
  'GET /v1/tenants': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: { id: number; name: string; blocked: boolean }[]
  }
  /** Adds a tenant. */
  'POST /v1/tenants': {
    parts: undefined
    query: undefined
    body: { name: string }
    answer: { id: number }
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/tenants/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: { id: number; name: string; blocked: boolean }
  }
  /** Gives a tenant another name. */
  'PATCH /v1/tenants/{name}': {
    parts: { name: string }
    query: undefined
    body: { name: string }
    answer: Record<string, unknown>
  }
  /** Removes a tenant that has nothing any more. */
  'DELETE /v1/tenants/{name}': {
    parts: { name: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Blocks it, or opens it again. */
  'POST /v1/tenants/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Tokens and invitations, without what opens anything. */
  'GET /v1/tokens': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: {
      id: number
      administrator: string
      name: string
      kind: 'token' | 'invitation'
      scope: string | null
      made: string
      expires: string
      used: string | null
      from: string | null
    }[]
  }
  /** Makes a token. Its text is shown this once. */
  'POST /v1/tokens': {
    parts: undefined
    query: undefined
    body: { administrator?: string; name: string; scope?: string[] | string; days?: number }
    answer: { id: number; token: string; administrator: string; expires: string }
  }
  /** Ends a token at once. */
  'DELETE /v1/tokens/{id}': {
    parts: { id: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Files of images that are being sent to this node, or wait to be added. */
  'GET /v1/uploads': {
    parts: undefined
    query: undefined
    body: undefined
    answer: { file: string; size: number; done: number }[]
  }
  /** Begins to send the file of an image to this node, or says how much of it has arrived. */
  'POST /v1/uploads': {
    parts: undefined
    query: undefined
    body: { name: string; size: number; sha256: string }
    answer: { file: string; size: number; done: number }
  }
  /** Brings a piece of a file. What begins and ends it is in the audit log, and its pieces are not. */
  'PATCH /v1/uploads/{file}': {
    parts: { file: string }
    query: { offset: number | undefined }
    body: undefined
    answer: { file: string; size: number; done: number }
  }
  /** Gives up a file that was sent, or a part of one. */
  'DELETE /v1/uploads/{file}': {
    parts: { file: string }
    query: undefined
    body: undefined
    answer: Record<string, unknown>
  }
  /** Users. */
  'GET /v1/users': {
    parts: undefined
    query: {
      filter?: string | undefined
      sort?: string | undefined
      limit?: number | undefined
      offset?: number | undefined
      count?: string | undefined
    }
    body: undefined
    answer: { id: number; login: string; tenant: string; role: string; blocked: boolean }[]
  }
  /** Adds a user. */
  'POST /v1/users': {
    parts: undefined
    query: undefined
    body: { tenant?: string; login: string; password?: string; role?: 'user' | 'power' | 'support' }
    answer: { id: number }
  }
  /** What a filter finds, with a token for doing something to all of it. Nothing happens yet. */
  'POST /v1/users/bulk': {
    parts: undefined
    query: undefined
    body: { filter: string }
    answer: { names: string[]; token: string }
  }
  /** Does "block" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/users/bulk/block': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "del" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/users/bulk/del': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "propdel" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/users/bulk/propdel': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; keys: string[] }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** The properties of all that a filter finds; secrets are masked. */
  'POST /v1/users/bulk/propget': {
    parts: undefined
    query: undefined
    body: { filter: string; keys?: string[] }
    answer: { name: string; key: string; value: string }[]
  }
  /** Does "propset" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/users/bulk/propset': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string; set: Record<string, string> }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** Does "unblock" to all that a filter finds, if those are still the ones of the preview. */
  'POST /v1/users/bulk/unblock': {
    parts: undefined
    query: undefined
    body: { filter: string; token: string }
    answer: { done: number; failures: { name: string; fault: string; text: string }[] }
  }
  /** One of them. Its ETag is of what administrators say of it, for If-Match. */
  'GET /v1/users/{login}': {
    parts: { login: string }
    query: { tenant?: string | undefined }
    body: undefined
    answer: { id: number; login: string; tenant: string; role: string; blocked: boolean }
  }
  /** Removes a user with her desktops; her homes go to the trash. */
  'DELETE /v1/users/{login}': {
    parts: { login: string }
    query: { tenant?: string | undefined }
    body: undefined
    answer: { desktops: number; homes: { id: number; was: string; path: string; until: string }[] }
  }
  /** Gives a user another password. */
  'POST /v1/users/{login}/password': {
    parts: { login: string }
    query: undefined
    body: { tenant?: string; password: string }
    answer: Record<string, unknown>
  }
  /** Blocks it, or opens it again. */
  'POST /v1/users/{name}/blocked': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; blocked: boolean }
    answer: Record<string, unknown>
  }
  /** Its properties; secrets are masked. */
  'GET /v1/users/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { key: string; value: string }[]
  }
  /** Sets properties. */
  'POST /v1/users/{name}/properties': {
    parts: { name: string }
    query: undefined
    body: { tenant?: string; set: Record<string, string> }
    answer: Record<string, unknown>
  }
  /** Removes properties. */
  'DELETE /v1/users/{name}/properties': {
    parts: { name: string }
    query: { tenant?: string | undefined; key?: string[] | undefined }
    body: undefined
    answer: { count: number }
  }
}
