//! What the caller hands over. Nothing is sent for any of it.

use std::time::Duration;

use s3_lock::{Client, ClientBuilder, LockError, S3Lock, S3LockBuilder};

use super::{table, told};

fn named(bucket: &str, folder: &str, name: &str) -> String {
    let lock = S3Lock::builder(bucket, name).folder(folder);
    told(lock.client(Client::in_memory()).build())
}

fn bucket(bucket: &str) -> String {
    named(bucket, "f", "n")
}

fn folder(folder: &str) -> String {
    named("my-bucket", folder, "n")
}

fn name(name: &str) -> String {
    named("my-bucket", "f", name)
}

#[test]
fn builder_refuses_names_that_cannot_be_told_with_why() {
    let long = |n| "x".repeat(n);
    table! {
        bucket("") => r#"invalid bucket "": it is empty"#;
        bucket("ab") => r#"invalid bucket "ab": its length is not between 3 and 63"#;
        bucket(&long(64)) => r#"invalid bucket "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": its length is not between 3 and 63"#;
        bucket("buc\nket") => r#"invalid bucket "buc\nket": it holds a control character"#;
        bucket("my bucket") => r#"invalid bucket "my bucket": only letters, digits, '-', '.' and '_' may be in it"#;
        bucket("bücket") => r#"invalid bucket "bücket": only letters, digits, '-', '.' and '_' may be in it"#;
        bucket("bucket/folder") => r#"invalid bucket "bucket/folder": it holds a '/'; put folders into `folder`"#;
        bucket("/bucket") => r#"invalid bucket "/bucket": it holds a '/'; put folders into `folder`"#;
        bucket("s3://bucket") => r#"invalid bucket "s3://bucket": it is a URL; give the name of the bucket alone, or the whole s3://bucket/folder/name to S3Lock::from_url or S3Lock::builder_from_url"#;
        bucket("S3://bucket/f/n") => r#"invalid bucket "S3://bucket/f/n": it is a URL; give the name of the bucket alone, or the whole s3://bucket/folder/name to S3Lock::from_url or S3Lock::builder_from_url"#;
        bucket("https://host/bucket") => r#"invalid bucket "https://host/bucket": it is a URL; give the name of the bucket alone"#;
        bucket("arn:aws:s3:::bucket") => r#"invalid bucket "arn:aws:s3:::bucket": only letters, digits, '-', '.' and '_' may be in it"#;
        bucket(".") => r#"invalid bucket ".": it is '.' or '..'"#;
        bucket("..") => r#"invalid bucket "..": it is '.' or '..'"#;
        folder("/f") => r#"invalid folder "/f": it starts with a '/'; the bucket's root is the empty folder"#;
        folder("/") => r#"invalid folder "/": it starts with a '/'; the bucket's root is the empty folder"#;
        folder("f//g") => r#"invalid folder "f//g": it has an empty segment"#;
        folder("f//") => r#"invalid folder "f//": it has an empty segment"#;
        folder("./f") => r#"invalid folder "./f": it has a segment '.' or '..'"#;
        folder("f/../g") => r#"invalid folder "f/../g": it has a segment '.' or '..'"#;
        folder("f\tg") => r#"invalid folder "f\tg": it holds a control character"#;
        folder(&long(1018)) => r#"invalid folder "LONG": the key {folder}/{name}.queue is longer than 1024 bytes"#;
        name("") => r#"invalid name "": it is empty"#;
        name("a/b") => r#"invalid name "a/b": it holds a '/'; put folders into `folder`"#;
        name(".") => r#"invalid name ".": it is '.' or '..'"#;
        name("..") => r#"invalid name "..": it is '.' or '..'"#;
        name("nightly\n") => r#"invalid name "nightly\n": it holds a control character"#;
        name("a\u{7f}b") => r#"invalid name "a\u{7f}b": it holds a control character"#;
        name("a\u{85}b") => r#"invalid name "a\u{85}b": it holds a control character"#;
        name(&long(1018)) => r#"invalid name "LONG": the key {folder}/{name}.queue is longer than 1024 bytes"#;
        told(Client::in_memory().list("", "f")) => r#"invalid bucket "": it is empty"#;
        told(Client::in_memory().list("my-bucket", "/f")) => r#"invalid folder "/f": it starts with a '/'; the bucket's root is the empty folder"#;
        told(Client::in_memory().list("my-bucket", "f//g")) => r#"invalid folder "f//g": it has an empty segment"#;
    }
}

fn url(url: &str) -> String {
    told(S3Lock::builder_from_url(url).map_err(LockError::from))
}

#[test]
fn from_url_refuses_urls_that_cannot_be_told_with_what_to_write() {
    let long = format!("s3://my-bucket/{}", "x".repeat(1019));
    table! {
        told(S3Lock::from_url("s3://my-bucket")) => r#"invalid url "s3://my-bucket": it names a bucket and no lock; write s3://bucket/folder/name"#;
        told(S3Lock::new("s3://my-bucket/n", "", "n", Duration::from_secs(60))) => r#"invalid bucket "s3://my-bucket/n": it is a URL; give the name of the bucket alone, or the whole s3://bucket/folder/name to S3Lock::from_url or S3Lock::builder_from_url"#;
        url("") => r#"invalid url "": it does not begin with s3://; write s3://bucket/folder/name"#;
        url("my-bucket/n") => r#"invalid url "my-bucket/n": it does not begin with s3://; write s3://bucket/folder/name"#;
        url("s3:my-bucket/n") => r#"invalid url "s3:my-bucket/n": it does not begin with s3://; write s3://bucket/folder/name"#;
        url("arn:aws:s3:::my-bucket/n") => r#"invalid url "arn:aws:s3:::my-bucket/n": it does not begin with s3://; write s3://bucket/folder/name"#;
        url(" s3://my-bucket/n") => r#"invalid url " s3://my-bucket/n": it does not begin with s3://; write s3://bucket/folder/name, and set an endpoint with ClientBuilder::endpoint or AWS_ENDPOINT_URL_S3"#;
        url("https://my-bucket.s3.amazonaws.com/n?X-Amz-Signature=hunter2") => r#"invalid url "https://my-bucket.s3.amazonaws.com/n": it does not begin with s3://; write s3://bucket/folder/name, and set an endpoint with ClientBuilder::endpoint or AWS_ENDPOINT_URL_S3"#;
        url("s3://") => r#"invalid url "s3://": it has no bucket; write s3://bucket/folder/name"#;
        url("s3:///n") => r#"invalid url "s3:///n": it has no bucket; write s3://bucket/folder/name"#;
        url("s3://my-bucket/") => r#"invalid url "s3://my-bucket/": it names a bucket and no lock; write s3://bucket/folder/name"#;
        url("s3://my-bucket/f/") => r#"invalid url "s3://my-bucket/f/": it ends with a '/', so it names a folder; add the name of the lock"#;
        url("s3://127.0.0.1:9000/my-bucket/n") => r#"invalid url "s3://127.0.0.1:9000/my-bucket/n": a port has no place in it; write s3://bucket/folder/name, and set the endpoint with ClientBuilder::endpoint or AWS_ENDPOINT_URL_S3"#;
        url("s3://AKID:hunter2@my-bucket/n") => "invalid url: it names a user before the bucket; write s3://bucket/folder/name, and give credentials to the client or the environment";
        url("s3://my-bucket/n?versionId=3") => "invalid url: what follows the '?' has no place in it; write s3://bucket/folder/name, and a '?' that is part of a name as %3F";
        url("s3://my-bucket/n#1") => "invalid url: what follows the '#' has no place in it; write s3://bucket/folder/name, and a '#' that is part of a name as %23";
        url("s3://my-bucket/50%") => r#"invalid url "s3://my-bucket/50%": a '%' begins no escape in it; write %25 for a '%' that is part of a name"#;
        url("s3://my-bucket/%zz/n") => r#"invalid url "s3://my-bucket/%zz/n": a '%' begins no escape in it; write %25 for a '%' that is part of a name"#;
        url("s3://my-bucket/%+1") => r#"invalid url "s3://my-bucket/%+1": a '%' begins no escape in it; write %25 for a '%' that is part of a name"#;
        url("s3://my-bucket/f%FCr") => r#"invalid url "s3://my-bucket/f%FCr": its escapes are not UTF-8; escape the bytes of the UTF-8 form of each letter"#;
        url("s3://my-bucket/f%2fn") => r#"invalid url "s3://my-bucket/f%2fn": it holds %2F; write '/' between folders: no name holds one"#;
        url("s3://my-bucket/f%2F/n") => r#"invalid url "s3://my-bucket/f%2F/n": it holds %2F; write '/' between folders: no name holds one"#;
        url("s3://my-bucket/f/n.queue") => r#"invalid url "s3://my-bucket/f/n.queue": it ends with .queue, as the object beside a lock does; write "n" for that lock, and "n.queue.lock" for a lock whose own name ends so"#;
        url("s3://my-bucket/f//n") => r#"invalid url "s3://my-bucket/f//n": it has two '/' in a row; write one"#;
        url("s3://my-bucket//n") => r#"invalid url "s3://my-bucket//n": it has two '/' in a row; write one"#;
        url("s3://my-bucket/f/../n") => r#"invalid folder "f/..": it has a segment '.' or '..'"#;
        url("s3://my-bucket/f/%2E%2E") => r#"invalid name "..": it is '.' or '..'"#;
        url("s3://my-bucket/f/.lock") => r#"invalid name "": it is empty"#;
        url("s3://my-bucket/f/a%0Ab") => r#"invalid name "a\nb": it holds a control character"#;
        url("s3://my%2Dbucket/n") => r#"invalid bucket "my%2Dbucket": only letters, digits, '-', '.' and '_' may be in it"#;
        url(&long) => r#"invalid name "LONG": the key {folder}/{name}.queue is longer than 1024 bytes"#;
    }
}

#[test]
fn acquire_refuses_owners_that_cannot_be_told_with_why() {
    let lock = S3Lock::builder("my-bucket", "n").client(Client::in_memory());
    let lock = lock.build().unwrap();
    let long = "x".repeat(513);
    table! {
        told(lock.acquire("")) => r#"invalid owner "": it is empty"#;
        told(lock.acquire_within("", Duration::ZERO)) => r#"invalid owner "": it is empty"#;
        told(lock.try_acquire("")) => r#"invalid owner "": it is empty"#;
        told(lock.release("")) => r#"invalid owner "": it is empty"#;
        told(lock.try_acquire("a\nb")) => r#"invalid owner "a\nb": it holds a control character"#;
        told(lock.try_acquire("\u{1b}[31m")) => r#"invalid owner "\u{1b}[31m": it holds a control character"#;
        told(lock.try_acquire(&long)) => r#"invalid owner "LONG": it is longer than 512 bytes"#;
    }
}

fn set(change: impl FnOnce(S3LockBuilder) -> S3LockBuilder) -> String {
    told(change(S3Lock::builder("my-bucket", "n").client(Client::in_memory())).build())
}

#[test]
fn builder_refuses_durations_and_texts_that_cannot_be_told_with_why() {
    let day = Duration::from_secs(24 * 3600);
    let ms = Duration::from_millis;
    table! {
        set(|b| b.max_operation(Duration::ZERO)) => "invalid max_operation 0ns: it must be from 1ms to 7 days";
        set(|b| b.max_operation(Duration::MAX)) => "invalid max_operation 18446744073709551615.999999999s: it must be from 1ms to 7 days";
        set(|b| b.max_operation(day * 7)) => "invalid max_operation 604800s: with acquire_allowance, which is 10s, it must be at most 7 days";
        set(|b| b.acquire_allowance(Duration::ZERO)) => "invalid acquire_allowance 0ns: it must be from 1ms to 7 days";
        set(|b| b.acquire_allowance(day * 8)) => "invalid acquire_allowance 691200s: it must be from 1ms to 7 days";
        set(|b| b.clock_margin(ms(1999))) => "invalid clock_margin 1.999s: it must be from 2s to 7 days";
        set(|b| b.clock_margin(day * 8)) => "invalid clock_margin 691200s: it must be from 2s to 7 days";
        set(|b| b.without_store_clock().clock_margin(ms(99))) => "invalid clock_margin 99ms: it must be from 100ms to 7 days";
        set(|b| b.poll_interval(Duration::ZERO, ms(10))) => "invalid poll_interval 0ns: it must be from 1ms to 7 days";
        set(|b| b.poll_interval(ms(20), ms(10))) => "invalid poll_interval 20ms to 10ms: the least comes first";
        set(|b| b.poll_interval(ms(20), Duration::MAX)) => "invalid poll_interval 18446744073709551615.999999999s: it must be from 1ms to 7 days";
        set(|b| b.max_hold(ms(1))) => "invalid max_hold 1ms: it must be at least the lease, 70s";
        set(|b| b.purpose("x".repeat(2049))) => r#"invalid purpose "LONG": it is longer than 2048 bytes"#;
    }
}

fn client(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> String {
    told(change(Client::builder()).build())
}

/// A lock in a bucket whose name is put into the host's.
fn hosted(url: &str, bucket: &str) -> String {
    told(in_bucket(
        Client::builder().endpoint(url).virtual_hosted(),
        bucket,
    ))
}

fn twice(url: &str, bucket: &str) -> String {
    told(in_bucket(Client::builder().endpoint(url), bucket))
}

fn in_bucket(client: ClientBuilder, bucket: &str) -> Result<S3Lock, LockError> {
    S3Lock::builder(bucket, "n").client(client.build()?).build()
}

fn endpoint(url: &str) -> String {
    client(|c| c.endpoint(url))
}

#[test]
fn client_refuses_endpoints_that_cannot_be_told_with_why() {
    table! {
        endpoint("") => r#"invalid endpoint "": it needs a scheme: http:// or https://"#;
        endpoint("localhost:9000") => r#"invalid endpoint "localhost:9000": it needs a scheme: http:// or https://"#;
        endpoint("ftp://localhost") => r#"invalid endpoint "ftp://localhost": it needs a scheme: http:// or https://"#;
        endpoint("http:localhost") => r#"invalid endpoint "http:localhost": it needs a scheme: http:// or https://"#;
        endpoint("//localhost") => r#"invalid endpoint "//localhost": it needs a scheme: http:// or https://"#;
        endpoint(" http://localhost") => r#"invalid endpoint " http://localhost": it holds a space or a control character"#;
        endpoint("http://localhost\n") => r#"invalid endpoint "http://localhost\n": it holds a space or a control character"#;
        endpoint("http://a b") => r#"invalid endpoint "http://a b": it holds a space or a control character"#;
        endpoint("http://") => r#"invalid endpoint "http://": it has no host"#;
        endpoint("http:///bucket") => r#"invalid endpoint "http:///bucket": it has no host"#;
        endpoint("http://:9000") => r#"invalid endpoint "http://:9000": it has no host"#;
        endpoint("http://host:") => r#"invalid endpoint "http://host:": its port is not a number from 1 to 65535"#;
        endpoint("http://host:0") => r#"invalid endpoint "http://host:0": its port is not a number from 1 to 65535"#;
        endpoint("http://host:port") => r#"invalid endpoint "http://host:port": its port is not a number from 1 to 65535"#;
        endpoint("http://host:65536") => r#"invalid endpoint "http://host:65536": its port is not a number from 1 to 65535"#;
        endpoint("http://[::1") => r#"invalid endpoint "http://[::1": its host is not a name or address that a URL can have"#;
        endpoint("http://::1") => r#"invalid endpoint "http://::1": an IPv6 address needs square brackets"#;
        endpoint("http://bücher.example") => r#"invalid endpoint "http://bücher.example": its host is not a name or address that a URL can have"#;
        endpoint("http://a%b") => r#"invalid endpoint "http://a%b": its host is not a name or address that a URL can have"#;
        endpoint("http://host?X-Amz-Signature=hunter2") => r#"invalid endpoint "http://host?…": only a path may follow the host and port"#;
        endpoint("http://host/s3#x") => r#"invalid endpoint "http://host/s3#x": only a path may follow the host and port"#;
        endpoint("http://host//") => r#"invalid endpoint "http://host//": its path has an empty segment, '.' or '..'"#;
        endpoint("http://host/s3/../x") => r#"invalid endpoint "http://host/s3/../x": its path has an empty segment, '.' or '..'"#;
        endpoint("http://host/s%33") => r#"invalid endpoint "http://host/s%33": only letters, digits, '-', '.', '_' and '~' may be in its path"#;
        hosted("http://127.0.0.1:9000", "my-bucket") => "invalid virtual_hosted: ClientBuilder::endpoint says http://127.0.0.1:9000, whose host is an address, and a bucket can stand only before a name; give the host's name, or leave virtual_hosted out";
        hosted("https://[::1]", "my-bucket") => "invalid virtual_hosted: ClientBuilder::endpoint says https://[::1], whose host is an address, and a bucket can stand only before a name; give the host's name, or leave virtual_hosted out";
        hosted("https://host", "my-bucket") => "no error";
        hosted("http://host", "my.bucket") => "no error";
        hosted("https://host", "my.bucket") => r#"invalid bucket "my.bucket": with virtual_hosted it is a part of a host's name, and certificates do not match one with such a '.'; leave virtual_hosted out"#;
        hosted("http://host", "My-Bucket") => r#"invalid bucket "My-Bucket": with virtual_hosted it is a part of a host's name, where only lower-case letters, digits, '-' and '.' may be; leave virtual_hosted out"#;
        hosted("http://host", "my_bucket") => r#"invalid bucket "my_bucket": with virtual_hosted it is a part of a host's name, where only lower-case letters, digits, '-' and '.' may be; leave virtual_hosted out"#;
        hosted("http://host", "-bucket") => r#"invalid bucket "-bucket": with virtual_hosted it is a part of a host's name, which cannot begin or end with a '-' or '.'; leave virtual_hosted out"#;
        twice("http://host/my-bucket", "my-bucket") => r#"invalid bucket "my-bucket": ClientBuilder::endpoint says http://host/my-bucket, which names it already, so that requests would name it twice; leave it out there"#;
        twice("https://my-bucket.s3.eu-west-1.amazonaws.com", "my-bucket") => r#"invalid bucket "my-bucket": ClientBuilder::endpoint says https://my-bucket.s3.eu-west-1.amazonaws.com, which names it already, so that requests would name it twice; leave it out there"#;
        endpoint("http://user:hunter2@host") => "invalid endpoint: it holds credentials; set them separately";
        endpoint("hunter2@host") => "invalid endpoint: it holds credentials; set them separately";
    }
}

fn proxy(url: &str) -> String {
    client(|c| c.proxy(url))
}

#[test]
fn client_refuses_proxies_that_cannot_be_told_with_why_and_without_their_password() {
    table! {
        proxy("") => "invalid proxy: it has no host";
        proxy("http://") => "invalid proxy: it has no host";
        proxy("http://me:hunter2@") => "invalid proxy: it has no host";
        proxy("me:hunter2@:3128") => "invalid proxy: it has no host";
        proxy("http://host:") => "invalid proxy: its port is not a number from 1 to 65535";
        proxy("http://host:0") => "invalid proxy: its port is not a number from 1 to 65535";
        proxy("me:hunter2") => "invalid proxy: its port is not a number from 1 to 65535";
        proxy("http://me:hunter2@host/proxy.pac") => "invalid proxy: nothing may follow the host and port";
        proxy("http://host?hunter2") => "invalid proxy: nothing may follow the host and port";
        proxy("http://ho st") => "invalid proxy: it holds a space";
        proxy("http://[::1") => "invalid proxy: its host is not a name or address that a URL can have";
        proxy("::1") => "invalid proxy: an IPv6 address needs square brackets";
        proxy("http://b\u{fc}cher.example") => "invalid proxy: its host is not a name or address that a URL can have";
        proxy("ftp://host") => "invalid proxy: its scheme is neither http:// nor https://";
        proxy("socks5://me:hunter2@host:1080") => "invalid proxy: it is a SOCKS proxy, and only http:// and https:// proxies are supported";
        proxy("SOCKS4a://host") => "invalid proxy: it is a SOCKS proxy, and only http:// and https:// proxies are supported";
    }
}

fn keys(key: &str, secret: &str, token: Option<&str>) -> String {
    client(|c| c.credentials(key, secret, token))
}

#[test]
fn client_refuses_regions_accounts_and_credentials_that_cannot_be_told_with_why() {
    table! {
        client(|c| c.region("")) => r#"invalid region "": a region looks like eu-central-1"#;
        client(|c| c.region("eu central")) => r#"invalid region "eu central": a region looks like eu-central-1"#;
        client(|c| c.region("EU-CENTRAL-1")) => r#"invalid region "EU-CENTRAL-1": a region looks like eu-central-1"#;
        client(|c| c.region("eu_central_1")) => r#"invalid region "eu_central_1": a region looks like eu-central-1"#;
        client(|c| c.region("evil.example/")) => r#"invalid region "evil.example/": a region looks like eu-central-1"#;
        client(|c| c.region("x".repeat(33))) => r#"invalid region "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": a region looks like eu-central-1"#;
        client(|c| c.expected_bucket_owner("")) => r#"invalid expected_bucket_owner "": an AWS account has 12 digits"#;
        client(|c| c.expected_bucket_owner("1234")) => r#"invalid expected_bucket_owner "1234": an AWS account has 12 digits"#;
        client(|c| c.expected_bucket_owner("1234-5678-9012")) => r#"invalid expected_bucket_owner "1234-5678-9012": an AWS account has 12 digits"#;
        client(|c| c.expected_bucket_owner("１２３４")) => r#"invalid expected_bucket_owner "１２３４": an AWS account has 12 digits"#;
        client(|c| c.profile("")) => r#"invalid profile "": it is empty"#;
        client(|c| c.profile("a\nb")) => r#"invalid profile "a\nb": it holds a control character"#;
        keys("", "hunter2", None) => "the access key of this client is empty";
        keys("key", "", None) => "the secret access key of this client is empty";
        keys("key", "hunter2\n", None) => "the secret access key of this client holds a space, line break or other character that it cannot have; copy it again";
        keys("key", "hunter 2", None) => "the secret access key of this client holds a space, line break or other character that it cannot have; copy it again";
        keys("kéy", "hunter2", None) => "the access key of this client holds a space, line break or other character that it cannot have; copy it again";
        keys("key", "hunter2", Some("")) => "the session token of this client is empty; leave it out if there is none";
        keys("key", "hunter2", Some("a\r\nb")) => "the session token of this client holds a space, line break or other character that it cannot have; copy it again";
    }
}

#[test]
fn client_refuses_timeouts_that_cannot_be_told_with_why() {
    let ms = Duration::from_millis;
    table! {
        client(|c| c.request_timeout(Duration::ZERO)) => "invalid request_timeout 0ns: it must be from 10ms to 300s";
        client(|c| c.request_timeout(ms(9))) => "invalid request_timeout 9ms: it must be from 10ms to 300s";
        client(|c| c.request_timeout(ms(300_001))) => "invalid request_timeout 300.001s: it must be from 10ms to 300s";
        client(|c| c.connect_timeout(ms(9))) => "invalid connect_timeout 9ms: it must be from 10ms to 4.5s, which is 9/10 of request_timeout";
        client(|c| c.connect_timeout(ms(4501))) => "invalid connect_timeout 4.501s: it must be from 10ms to 4.5s, which is 9/10 of request_timeout";
        client(|c| c.connect_timeout(Duration::MAX)) => "invalid connect_timeout 18446744073709551615.999999999s: it must be from 10ms to 4.5s, which is 9/10 of request_timeout";
    }
}
