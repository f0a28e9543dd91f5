// A site of somebody else, on an origin of its own.
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Serves these files by path: [type, content]. */
export async function otherSite(files) {
  const server = createServer((request, answer) => {
    const [type, content] = files[request.url] ?? ['text/plain', ''];
    answer.writeHead(request.url in files ? 200 : 404, { 'content-type': type });
    answer.end(content);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => new Promise((done) => server.close(done)) };
}
