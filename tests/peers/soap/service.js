/*
 * service - a SOAP service by a library that is not ours: node service.js PORT LOG
 *
 * /11 speaks SOAP 1.1, /12 speaks 1.2. Both take the operation Submit of the user "reports" alone, by a
 * UsernameToken: text, or digest with a nonce that was never seen; a Timestamp must be of now. What is taken is a line
 * of LOG, written before the answer: {"version", "id", "action", "n", "text", "password", "message"}. The element
 * "mode" of a message asks for a fault: its name is one of `faults`. The port goes to standard output.
 */
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const soap = require("soap");

const [port, log] = process.argv.slice(2);
const password = "s3cr<t&pass";
const nonces = new Set();
const kinds = { "#PasswordText": "text", "#PasswordDigest": "digest" };

const faults = {
    server: { faultcode: "soap:Server.Busy", faultstring: "no disk", statusCode: 500 },
    client: { faultcode: "soap:Client", faultstring: "no such customer", statusCode: 500 },
    quiet: { faultcode: "soap:Client", faultstring: "a fault inside of 200", statusCode: 200 },
    must: { faultcode: "soap:MustUnderstand", faultstring: "a header", statusCode: 500 },
    version: { faultcode: "soap:VersionMismatch", faultstring: "1.0", statusCode: 500 },
    receiver: { Code: { Value: "soap:Receiver", Subcode: { Value: "m:Busy" } }, Reason: { Text: "later" }, statusCode: 500 },
    sender: { Code: { Value: "soap:Sender", Subcode: { Value: "m:Bad" } }, Reason: { Text: "never" }, statusCode: 400 },
    encoding: { Code: { Value: "soap:DataEncodingUnknown" }, Reason: { Text: "odd" }, statusCode: 500 },
    expired: { Code: { Value: "soap:Sender", Subcode: { Value: "wsse:MessageExpired" } }, Reason: { Text: "late" }, statusCode: 400 },
    busy: { faultcode: "soap:Server", faultstring: "too many", statusCode: 503 },
    other: { faultcode: "m:Odd", faultstring: "a code of its own", statusCode: 500 },
};

const wsdl = (version) => `<?xml version="1.0"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:reports" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
    xmlns:w="http://schemas.xmlsoap.org/wsdl/soap${version === "12" ? "12" : ""}/" targetNamespace="urn:reports">
  <types><xsd:schema targetNamespace="urn:reports" elementFormDefault="qualified">
    <xsd:element name="Submit"><xsd:complexType><xsd:sequence>
      <xsd:element name="n" type="xsd:int"/><xsd:element name="text" type="xsd:string" minOccurs="0"/>
      <xsd:element name="mode" type="xsd:string" minOccurs="0"/>
    </xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="SubmitResponse"><xsd:complexType><xsd:sequence>
      <xsd:element name="taken" type="xsd:int"/></xsd:sequence></xsd:complexType></xsd:element>
  </xsd:schema></types>
  <message name="In"><part name="parameters" element="tns:Submit"/></message>
  <message name="Out"><part name="parameters" element="tns:SubmitResponse"/></message>
  <portType name="Reports"><operation name="Submit"><input message="tns:In"/><output message="tns:Out"/></operation></portType>
  <binding name="ReportsBinding" type="tns:Reports">
    <w:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Submit"><w:operation soapAction="urn:reports:Submit"/>
      <input><w:body use="literal"/></input><output><w:body use="literal"/></output></operation>
  </binding>
  <service name="Reports"><port name="Port" binding="tns:ReportsBinding"><w:address location="http://localhost/${version}"/></port></service>
</definitions>`;

const textOf = (value) => (value && value.$value !== undefined ? value.$value : value);

function timely(stamp) {
    const now = Date.now();
    return !stamp || (Date.parse(stamp.Created) <= now + 1000 && now < Date.parse(stamp.Expires));
}

/* What kind of password it is, or nothing. */
function authenticated(security) {
    const token = security && security.UsernameToken;
    if (!token || textOf(token.Username) !== "reports" || !timely(security.Timestamp)) return undefined;
    const kind = kinds[String(token.Password.attributes.Type).replace(/^[^#]*/, "")];
    if (kind === "text") return textOf(token.Password) === password ? kind : undefined;
    const nonce = textOf(token.Nonce), bytes = Buffer.from(String(nonce), "base64");
    const digest = crypto.createHash("sha1").update(bytes).update(String(textOf(token.Created))).update(password).digest("base64");
    if (kind !== "digest" || nonces.has(nonce) || bytes.length !== 16 || textOf(token.Password) !== digest) return undefined;
    nonces.add(nonce);
    return kind;
}

function actionOf(request, version) {
    const type = request.headers["content-type"];
    if (version === "11") return type.startsWith("text/xml;") ? request.headers.soapaction : undefined;
    return type.startsWith("application/soap+xml;") ? (/action="([^"]*)"/.exec(type) || [])[1] : undefined;
}

function submit(version) {
    return (args, done, headers, request) => {
        if (faults[args.mode]) throw { Fault: { ...faults[args.mode] } };
        const message = headers && headers.MessageID;
        fs.appendFileSync(log, JSON.stringify({
            version, id: request.headers["idempotency-key"], action: actionOf(request, version), n: args.n,
            text: args.text, password: authenticatedKinds.get(request), message: textOf(message),
        }) + "\n");
        return { taken: args.n };
    };
}

const authenticatedKinds = new WeakMap();
const server = http.createServer((request, response) => {
    response.statusCode = 404;
    response.end();
});

server.listen(Number(port), "127.0.0.1", () => {
    for (const version of ["11", "12"]) {
        const service = soap.listen(server, "/" + version, { Reports: { Port: { Submit: submit(version) } } }, wsdl(version));
        service.wsdl.options.forceSoap12Headers = version === "12";
        service.authenticate = (security, done, request) => {
            const kind = authenticated(security);
            authenticatedKinds.set(request, kind);
            return kind !== undefined;
        };
    }
    process.stdout.write(`listening on ${server.address().port}\n`);
});
