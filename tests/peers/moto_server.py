"""An S3 server with an IAM user and authentication enabled: prints how to reach it, ends with its standard input.

moto checks signatures and policies once so many requests have been made as INITIAL_NO_AUTH_ACTION_COUNT says; those make
the user, its key, its policy and the bucket.
"""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
anybody = {"endpoint_url": endpoint, "region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
iam, s3 = boto3.client("iam", **anybody), boto3.client("s3", **anybody)
iam.create_user(UserName="cronbox")
key = iam.create_access_key(UserName="cronbox")["AccessKey"]
allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
iam.put_user_policy(UserName="cronbox", PolicyName="bucket", PolicyDocument=policy)
s3.create_bucket(Bucket="jobs")
print(json.dumps({"endpoint": endpoint, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
server.stop()
