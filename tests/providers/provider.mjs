// node provider.mjs PORT [REDIRECT] : a real OpenID provider on the loopback interface. It makes its keys when it starts, so that starting it
// anew is a rotation that takes the old keys back at once. Its development pages let anybody in under any name.
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const [port, redirect = 'http://127.0.0.1:1/console/callback'] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const API = 'urn:synod:api';
const algorithms = ['RS256', 'ES256'];

const key = async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg}-${Date.now()}` };
};

// A machine's client: its name, its roles, what its tokens are signed with and how many seconds they live.
const machines = {
  'rsa-robot': { roles: ['robots'], alg: 'RS256', seconds: 300 },
  'curve-robot': { roles: ['robots'], alg: 'ES256', seconds: 300 },
  'brief-robot': { roles: ['robots'], alg: 'ES256', seconds: 1 },
};
const machine = (id) => ({
  client_id: id, client_secret: `${id}-secret`, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});
const console_ = {
  grant_types: ['authorization_code'], response_types: ['code'], redirect_uris: [redirect], application_type: 'native',
};

const provider = new Provider(issuer, {
  jwks: { keys: await Promise.all(algorithms.map(key)) },
  clients: [
    ...Object.keys(machines).map(machine),
    { ...console_, client_id: 'console', client_secret: 'console:secret/+&%', token_endpoint_auth_method: 'client_secret_basic' },
    { ...console_, client_id: 'public-console', token_endpoint_auth_method: 'none' },
  ],
  claims: { profile: ['name', 'roles'] },
  // Roles stand in the ID token itself, and not at a place of their own.
  conformIdTokenClaims: false,
  cookies: { keys: ['for tests'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of the desk`, roles: id === 'ana' ? ['desk'] : [] }) }),
  extraTokenClaims: (_, token) => ({ roles: machines[token.clientId]?.roles ?? [] }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, client) => (machines[client.clientId] ? API : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource, client) => ({
        scope: 'score:policy',
        audience: resource,
        accessTokenTTL: machines[client.clientId]?.seconds ?? 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: machines[client.clientId]?.alg ?? 'RS256' } },
      }),
    },
  },
});
http.createServer(provider.callback()).listen(+port, '127.0.0.1', () => console.log('ready'));
